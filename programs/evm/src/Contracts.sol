// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Escrow} from "./Escrow.sol";
import {Feeds} from "./Feeds.sol";
import {LongEvent} from "./LongEvent.sol";

/// @title Contracts: two-party forward agreements
/// @notice A seller promises a quantity of a commodity by a time, a buyer its price; both put up
/// money, deliveries are recorded, and what each is owed follows from what was delivered. Rules
/// are numbered in `programs/SPEC.md`.
/// @dev Amounts are in the token's smallest unit, times in unix seconds, splits in basis points.
/// No function is reserved to an owner: the contract has none.
contract Contracts is Escrow, EIP712, Nonces {
    enum Status {
        PendingSignature,
        Signed,
        Active,
        Disputed,
        Settled,
        Cancelled
    }

    /// @notice What the proposer writes down and the counterparty signs.
    struct Terms {
        address seller;
        address buyer;
        /// Divides what is at stake in a dispute.
        address arbiter;
        address token;
        /// Registry record of what is delivered; 0 for none.
        bytes32 commodity;
        /// sha-256 of the terms document.
        bytes32 terms;
        /// In the terms' unit.
        uint120 quantity;
        /// For the whole quantity; with a feed, what holds when the feed has no price.
        uint120 priceTotal;
        /// 0 for none.
        bytes32 feed;
        uint120 priceCap;
        uint120 priceFloor;
        /// Price of the whole quantity = value × priceMul / priceDiv.
        uint64 priceMul;
        uint64 priceDiv;
        uint120 sellerMargin;
        uint40 signBy;
        uint40 fundBy;
        uint40 deliverBy;
        /// Seconds that the buyer has to answer a delivery.
        uint32 acceptWithin;
        uint40 ruleBy;
        /// Seller's part of what is at stake when no ruling comes.
        uint16 defaultSplitBps;
        /// Emitted only; together ≤ 700 bytes.
        string cid;
        string title;
        string unit;
    }

    /// @notice An agreement as it stands.
    struct Agreement {
        address seller;
        uint40 signBy;
        uint40 fundBy;
        Status status;
        bool proposedBySeller;
        // ── slot 2
        address buyer;
        uint40 deliverBy;
        uint40 ruleBy;
        uint16 defaultSplitBps;
        // ── slot 3
        address arbiter;
        uint32 acceptWithin;
        uint64 nonce;
        // ── slot 4
        address token;
        uint64 seq;
        bool buyerFunded;
        bool sellerFunded;
        bool sellerCancels;
        bool buyerCancels;
        // ── amounts, two to a slot
        uint120 quantity;
        uint120 delivered;
        bool accepted;
        bool ruled;
        uint120 priceTotal;
        uint120 sellerMargin;
        uint16 splitBps;
        uint120 owedSeller;
        uint120 owedBuyer;
        /// Everything paid out so far.
        uint120 paid;
        /// 0 until something was delivered.
        uint40 deliveredAt;
        // ── price by feed; all 0 without one
        uint120 priceCap;
        uint120 priceFloor;
        uint64 priceMul;
        uint64 priceDiv;
        /// 0 until fixed.
        uint120 price;
        bool priceFixed;
        bytes32 feed;
        bytes32 commodity;
        bytes32 terms;
    }

    /// What AgreementProposed has beside its indexed fields, in its order.
    struct ProposedData {
        uint64 seq;
        uint64 nonce;
        address seller;
        address buyer;
        address arbiter;
        address token;
        bytes32 commodity;
        bytes32 terms;
        uint120 quantity;
        uint120 priceTotal;
        bytes32 feed;
        uint120 priceCap;
        uint120 priceFloor;
        uint64 priceMul;
        uint64 priceDiv;
        uint120 sellerMargin;
        uint40 signBy;
        uint40 fundBy;
        uint40 deliverBy;
        uint32 acceptWithin;
        uint40 ruleBy;
        uint16 defaultSplitBps;
        Status statusAfter;
        string cid;
        string title;
        string unit;
    }

    uint256 private constant BPS = 10_000;
    /// Each deadline follows the one before by at most this, so nothing is locked for ever.
    uint256 private constant MAX_PERIOD = 366 days;
    /// Bytes of CID, title and unit together.
    uint256 private constant MAX_TEXT = 700;
    bytes32 private constant SIGN_TYPEHASH =
        keccak256("Sign(bytes32 agreement,bytes32 terms,uint256 nonce,uint256 deadline)");

    /// @notice Where agreements' feeds live.
    Feeds public immutable FEEDS;
    /// @notice Agreements ever proposed.
    uint64 public agreementCount;
    /// @notice Agreements ever proposed by `proposer`: the nonce of the next one.
    mapping(address proposer => uint64) public proposals;
    mapping(bytes32 agreement => Agreement) private _agreements;

    event AgreementProposed(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        address seller,
        address buyer,
        address arbiter,
        address token,
        bytes32 commodity,
        bytes32 terms,
        uint120 quantity,
        uint120 priceTotal,
        bytes32 feed,
        uint120 priceCap,
        uint120 priceFloor,
        uint64 priceMul,
        uint64 priceDiv,
        uint120 sellerMargin,
        uint40 signBy,
        uint40 fundBy,
        uint40 deliverBy,
        uint32 acceptWithin,
        uint40 ruleBy,
        uint16 defaultSplitBps,
        Status statusAfter,
        string cid,
        string title,
        string unit
    );
    event AgreementSigned(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        address signer,
        Status statusAfter
    );
    event AgreementFunded(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        address party,
        uint120 amount,
        uint120 fundedAfter
    );
    event AgreementActivated(
        bytes32 indexed agreement, uint64 seq, address indexed actor, Status statusAfter
    );
    event DeliveryRecorded(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        uint120 quantity,
        bytes32 evidence,
        uint120 deliveredAfter
    );
    event DeliveryAccepted(
        bytes32 indexed agreement, uint64 seq, address indexed actor, uint120 delivered
    );
    event DisputeOpened(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        bytes32 reason,
        Status statusAfter
    );
    event DisputeRuled(
        bytes32 indexed agreement, uint64 seq, address indexed actor, uint16 splitBps
    );
    event PriceFixed(
        bytes32 indexed agreement, uint64 seq, address indexed actor, uint64 round, uint120 price
    );
    event AgreementSettled(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        uint120 owedSeller,
        uint120 owedBuyer,
        Status statusAfter
    );
    event CancelRequested(bytes32 indexed agreement, uint64 seq, address indexed actor);
    event AgreementCancelled(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        uint120 owedSeller,
        uint120 owedBuyer,
        Status statusAfter
    );
    event Withdrawn(
        bytes32 indexed agreement,
        uint64 seq,
        address indexed actor,
        address party,
        uint120 amount,
        uint120 paidAfter
    );

    error NotParty();
    error InvalidParties();
    error ZeroAmount();
    error InvalidPrice();
    error Overflow();
    error InvalidSplit();
    error InvalidDeadlines();
    error TextTooLong();
    error NotCounterparty();
    error WrongStatus();
    error TooLate();
    error SignatureExpired();
    error InvalidSignature();
    error AlreadyFunded();
    error NotSeller();
    error TooMuch();
    error NotBuyer();
    error TooEarly();
    error NothingDelivered();
    error AlreadyAccepted();
    error NotArbiter();
    error AlreadyRuled();
    error NoFeed();
    error PriceAlreadyFixed();
    error NotFirstObservation();
    error PriceNotFixed();
    error AlreadyRequested();
    error NothingOwed();
    error AgreementNotFound();

    constructor(Feeds feeds) EIP712("chainfold contracts", "1") {
        FEEDS = feeds;
    }

    /// @notice Proposes an agreement. Only its seller or its buyer, who thereby has signed.
    function propose(Terms calldata t) external returns (bytes32 agreement) {
        _checkParties(t);
        _checkPrice(t);
        _checkDeadlines(t);
        require(
            bytes(t.cid).length + bytes(t.title).length + bytes(t.unit).length <= MAX_TEXT,
            TextTooLong()
        ); // A-3
        require(t.token.code.length > 0, InvalidToken()); // A-3

        uint64 nonce = proposals[msg.sender]++;
        agreement = agreementId(msg.sender, nonce);
        ++agreementCount;
        _store(_agreements[agreement], nonce, t);
        _logProposed(agreement, nonce, t);
    }

    /// @notice Signs. Only the party that did not propose, until `signBy`.
    function sign(bytes32 agreement) external {
        Agreement storage a = _agreement(agreement);
        _sign(agreement, a, msg.sender);
    }

    /// @notice Signs for the counterparty, with its EIP-712 signature (ERC-1271 for contracts).
    /// Anyone may submit it.
    /// @param deadline last second at which the signature may be used
    function signBySig(bytes32 agreement, uint256 deadline, bytes calldata signature) external {
        Agreement storage a = _agreement(agreement);
        address signer = a.proposedBySeller ? a.buyer : a.seller;
        require(block.timestamp <= deadline, SignatureExpired()); // A-5
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(SIGN_TYPEHASH, agreement, a.terms, _useNonce(signer), deadline))
        );
        require(
            SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature),
            InvalidSignature()
        ); // A-5
        _sign(agreement, a, signer);
    }

    /// @notice Puts up the caller's part: the buyer the escrow, the seller the margin.
    function fund(bytes32 agreement) external {
        _fund(agreement);
    }

    /// @notice As `fund`, with an EIP-2612 permit of the caller instead of an earlier approval.
    function fundWithPermit(bytes32 agreement, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        Agreement storage a = _agreement(agreement);
        uint120 amount = msg.sender == a.buyer ? _escrow(a) : a.sellerMargin;
        _permit(IERC20(a.token), msg.sender, amount, deadline, v, r, s);
        _fund(agreement);
    }

    /// @notice Records that `quantity` more was delivered. Only the seller, until `deliverBy`.
    /// @param evidence sha-256 of what shows it
    function recordDelivery(bytes32 agreement, uint120 quantity, bytes32 evidence) external {
        Agreement storage a = _agreement(agreement);
        uint120 delivered = a.delivered;
        require(msg.sender == a.seller, NotSeller()); // A-7
        require(a.status == Status.Active, WrongStatus()); // A-7
        require(block.timestamp <= a.deliverBy, TooLate()); // A-7
        require(quantity > 0, ZeroAmount()); // A-7
        require(quantity <= a.quantity - delivered, TooMuch()); // A-7

        delivered += quantity;
        a.delivered = delivered;
        a.deliveredAt = uint40(block.timestamp);
        emit DeliveryRecorded(agreement, _step(a), msg.sender, quantity, evidence, delivered);
    }

    /// @notice Accepts what was delivered. Only the buyer, once delivery is finished.
    function accept(bytes32 agreement) external {
        Agreement storage a = _agreement(agreement);
        require(msg.sender == a.buyer, NotBuyer()); // A-8
        require(a.status == Status.Active, WrongStatus()); // A-8
        require(_finishedAt(a) > 0, TooEarly()); // A-8
        require(a.delivered > 0, NothingDelivered()); // A-8
        require(!a.accepted, AlreadyAccepted()); // A-8

        a.accepted = true;
        emit DeliveryAccepted(agreement, _step(a), msg.sender, a.delivered);
    }

    /// @notice Calls for the arbiter. Only a party, from the end of delivery for `acceptWithin`.
    /// @param reason sha-256 of the complaint
    function dispute(bytes32 agreement, bytes32 reason) external {
        Agreement storage a = _agreement(agreement);
        require(msg.sender == a.seller || msg.sender == a.buyer, NotParty()); // A-9
        require(a.status == Status.Active, WrongStatus()); // A-9
        uint256 finishedAt = _finishedAt(a);
        require(finishedAt > 0, TooEarly()); // A-9
        require(a.delivered > 0, NothingDelivered()); // A-9
        require(!a.accepted, AlreadyAccepted()); // A-9
        require(block.timestamp <= finishedAt + a.acceptWithin, TooLate()); // A-9

        a.status = Status.Disputed;
        emit DisputeOpened(agreement, _step(a), msg.sender, reason, Status.Disputed);
    }

    /// @notice Divides what is at stake. Only the arbiter, once, until `ruleBy`.
    /// @param splitBps the seller's part
    function rule(bytes32 agreement, uint16 splitBps) external {
        Agreement storage a = _agreement(agreement);
        require(msg.sender == a.arbiter, NotArbiter()); // A-10
        require(a.status == Status.Disputed, WrongStatus()); // A-10
        require(splitBps <= BPS, InvalidSplit()); // A-10
        require(!a.ruled, AlreadyRuled()); // A-10
        require(block.timestamp <= a.ruleBy, TooLate()); // A-10

        a.ruled = true;
        a.splitBps = splitBps;
        emit DisputeRuled(agreement, _step(a), msg.sender, splitBps);
    }

    /// @notice Fixes the price by the feed's first observation from `deliverBy` on. Anyone may.
    /// @param round that observation's number; 0, after `ruleBy`, when it can't be shown any more
    function fixPrice(bytes32 agreement, uint64 round) external {
        Agreement storage a = _agreement(agreement);
        bytes32 feed = a.feed;
        require(feed != 0, NoFeed()); // A-11
        require(a.status == Status.Active || a.status == Status.Disputed, WrongStatus()); // A-11
        require(!a.priceFixed, PriceAlreadyFixed()); // A-11
        uint120 price = a.priceTotal;
        if (round == 0) {
            require(block.timestamp > a.ruleBy, TooEarly()); // A-11
        } else {
            Feeds.Observation memory first = FEEDS.getObservation(feed, round);
            require(first.observedAt >= a.deliverBy, NotFirstObservation()); // A-11
            if (round > 1) {
                uint40 before = FEEDS.getObservation(feed, round - 1).observedAt;
                require(before < a.deliverBy, NotFirstObservation()); // A-11
            }
            if (first.observedAt <= uint256(a.deliverBy) + FEEDS.getFeed(feed).heartbeat) {
                price = _clamp(a, first.value);
            }
        }

        a.price = price;
        a.priceFixed = true;
        emit PriceFixed(agreement, _step(a), msg.sender, round, price);
    }

    /// @notice Writes down what each party is owed. Anyone may, when it is known.
    function settle(bytes32 agreement) external {
        Agreement storage a = _agreement(agreement);
        require(a.status == Status.Active || a.status == Status.Disputed, WrongStatus()); // A-12
        require(_isDecided(a), TooEarly()); // A-12
        uint120 delivered = a.delivered;
        require(a.feed == 0 || a.priceFixed || delivered == 0, PriceNotFixed()); // A-12

        uint256 price = a.feed == 0 ? a.priceTotal : a.price;
        uint256 margin = a.sellerMargin;
        // Each at most price and margin, because no more is delivered than agreed.
        uint256 seller =
            Math.mulDiv(price, delivered, a.quantity) + Math.mulDiv(margin, delivered, a.quantity);
        if (a.status == Status.Disputed) {
            // < 2^122 × 10,000: no overflow.
            seller = seller * (a.ruled ? a.splitBps : a.defaultSplitBps) / BPS;
        }
        // What was escrowed fits the type (A-2), and seller's part is within it.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint120 owedSeller = uint120(seller);
        uint120 owedBuyer = _escrow(a) + a.sellerMargin - owedSeller;
        a.status = Status.Settled;
        (a.owedSeller, a.owedBuyer) = (owedSeller, owedBuyer);
        emit AgreementSettled(agreement, ++a.seq, msg.sender, owedSeller, owedBuyer, Status.Settled);
    }

    /// @notice Ends an agreement that was not carried out; each party is owed what it put up.
    /// Before signing either party, afterwards both, one call each with no other step between;
    /// anyone when `signBy` passed without a signature, or `fundBy` without all the money.
    function cancel(bytes32 agreement) external {
        Agreement storage a = _agreement(agreement);
        Status status = a.status;
        bool pending = status == Status.PendingSignature;
        bool lapsed = (pending && block.timestamp > a.signBy)
            || (status == Status.Signed && block.timestamp > a.fundBy);
        if (!lapsed) {
            bool isSeller = msg.sender == a.seller;
            require(isSeller || msg.sender == a.buyer, NotParty()); // A-14
            require(status < Status.Settled, WrongStatus()); // A-14
            if (!pending) {
                require(!(isSeller ? a.sellerCancels : a.buyerCancels), AlreadyRequested()); // A-14
                if (isSeller) a.sellerCancels = true;
                else a.buyerCancels = true;
                emit CancelRequested(agreement, ++a.seq, msg.sender);
                if (!(a.sellerCancels && a.buyerCancels)) return;
            }
        }

        uint120 owedSeller = a.sellerFunded ? a.sellerMargin : 0;
        uint120 owedBuyer = a.buyerFunded ? _escrow(a) : 0;
        a.status = Status.Cancelled;
        (a.owedSeller, a.owedBuyer) = (owedSeller, owedBuyer);
        emit AgreementCancelled(
            agreement, ++a.seq, msg.sender, owedSeller, owedBuyer, Status.Cancelled
        );
    }

    /// @notice Pays `party` what it is owed. Anyone may call; the party is paid.
    function withdraw(bytes32 agreement, address party) external {
        Agreement storage a = _agreement(agreement);
        bool isSeller = party == a.seller;
        require(isSeller || party == a.buyer, NotParty()); // A-15
        uint120 amount = isSeller ? a.owedSeller : a.owedBuyer;
        require(amount > 0, NothingOwed()); // A-15

        if (isSeller) a.owedSeller = 0;
        else a.owedBuyer = 0;
        uint120 paid = a.paid + amount;
        a.paid = paid;
        emit Withdrawn(agreement, ++a.seq, msg.sender, party, amount, paid);
        _push(IERC20(a.token), party, amount);
    }

    /// @notice The agreement as it stands.
    function getAgreement(bytes32 agreement) external view returns (Agreement memory) {
        return _agreement(agreement);
    }

    /// @notice Id of the agreement that `proposer` proposed with `nonce` on this chain and contract.
    function agreementId(address proposer, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), proposer, nonce));
    }

    function _sign(bytes32 agreement, Agreement storage a, address signer) private {
        require(signer == (a.proposedBySeller ? a.buyer : a.seller), NotCounterparty()); // A-4
        require(a.status == Status.PendingSignature, WrongStatus()); // A-4
        require(block.timestamp <= a.signBy, TooLate()); // A-4

        a.status = Status.Signed;
        if (a.sellerMargin == 0) a.sellerFunded = true;
        emit AgreementSigned(agreement, ++a.seq, msg.sender, signer, Status.Signed);
    }

    function _fund(bytes32 agreement) private {
        Agreement storage a = _agreement(agreement);
        bool isBuyer = msg.sender == a.buyer;
        require(isBuyer || msg.sender == a.seller, NotParty()); // A-6
        require(a.status == Status.Signed, WrongStatus()); // A-6
        require(!(isBuyer ? a.buyerFunded : a.sellerFunded), AlreadyFunded()); // A-6
        require(block.timestamp <= a.fundBy, TooLate()); // A-6

        uint120 amount = isBuyer ? _escrow(a) : a.sellerMargin;
        if (isBuyer) a.buyerFunded = true;
        else a.sellerFunded = true;
        bool both = a.buyerFunded && a.sellerFunded;
        uint120 funded = both ? _escrow(a) + a.sellerMargin : amount;
        emit AgreementFunded(agreement, _step(a), msg.sender, msg.sender, amount, funded);
        if (both) {
            a.status = Status.Active;
            emit AgreementActivated(agreement, _step(a), msg.sender, Status.Active);
        }
        _pull(IERC20(a.token), msg.sender, amount);
    }

    function _store(Agreement storage a, uint64 nonce, Terms calldata t) private {
        a.seller = t.seller;
        a.signBy = t.signBy;
        a.fundBy = t.fundBy;
        a.proposedBySeller = msg.sender == t.seller;
        a.buyer = t.buyer;
        a.deliverBy = t.deliverBy;
        a.ruleBy = t.ruleBy;
        a.defaultSplitBps = t.defaultSplitBps;
        a.arbiter = t.arbiter;
        a.acceptWithin = t.acceptWithin;
        a.nonce = nonce;
        a.token = t.token;
        a.seq = 1;
        a.quantity = t.quantity;
        a.priceTotal = t.priceTotal;
        a.sellerMargin = t.sellerMargin;
        a.terms = t.terms;
        if (t.commodity != 0) a.commodity = t.commodity;
        if (t.feed == 0) return;
        a.feed = t.feed;
        a.priceCap = t.priceCap;
        a.priceFloor = t.priceFloor;
        a.priceMul = t.priceMul;
        a.priceDiv = t.priceDiv;
    }

    function _logProposed(bytes32 agreement, uint64 nonce, Terms calldata t) private {
        ProposedData memory p;
        p.seq = 1;
        p.nonce = nonce;
        p.seller = t.seller;
        p.buyer = t.buyer;
        p.arbiter = t.arbiter;
        p.token = t.token;
        p.commodity = t.commodity;
        p.terms = t.terms;
        p.quantity = t.quantity;
        p.priceTotal = t.priceTotal;
        p.feed = t.feed;
        p.priceCap = t.priceCap;
        p.priceFloor = t.priceFloor;
        p.priceMul = t.priceMul;
        p.priceDiv = t.priceDiv;
        p.sellerMargin = t.sellerMargin;
        p.signBy = t.signBy;
        p.fundBy = t.fundBy;
        p.deliverBy = t.deliverBy;
        p.acceptWithin = t.acceptWithin;
        p.ruleBy = t.ruleBy;
        p.defaultSplitBps = t.defaultSplitBps;
        p.statusAfter = Status.PendingSignature;
        p.cid = t.cid;
        p.title = t.title;
        p.unit = t.unit;
        LongEvent.log(AgreementProposed.selector, agreement, msg.sender, abi.encode(p));
    }

    function _agreement(bytes32 agreement) private view returns (Agreement storage a) {
        a = _agreements[agreement];
        require(a.seq > 0, AgreementNotFound()); // A-16
    }

    /// Number of the event of a step forward. What a party asked for before it (A-14), it asked of
    /// another state: were the request to stand, a buyer could take the goods and then agree.
    function _step(Agreement storage a) private returns (uint64) {
        (a.sellerCancels, a.buyerCancels) = (false, false);
        return ++a.seq;
    }

    function _checkParties(Terms calldata t) private view {
        require(msg.sender == t.seller || msg.sender == t.buyer, NotParty()); // A-1
        require(
            t.seller != t.buyer && t.arbiter != t.seller && t.arbiter != t.buyer
                && t.arbiter != address(0) && t.seller != address(0) && t.buyer != address(0),
            InvalidParties()
        ); // A-1
    }

    function _checkPrice(Terms calldata t) private view {
        require(t.quantity > 0 && t.priceTotal > 0, ZeroAmount()); // A-2
        uint120 escrow = t.priceTotal;
        if (t.feed == 0) {
            require(
                t.priceCap == 0 && t.priceFloor == 0 && t.priceMul == 0 && t.priceDiv == 0,
                InvalidPrice()
            ); // A-2
        } else {
            require(
                t.priceFloor > 0 && t.priceFloor <= t.priceTotal && t.priceTotal <= t.priceCap
                    && t.priceMul > 0 && t.priceDiv > 0,
                InvalidPrice()
            ); // A-2
            escrow = t.priceCap;
            // Reverts with FeedNotFound.
            FEEDS.getFeed(t.feed);
        }
        require(t.sellerMargin <= type(uint120).max - escrow, Overflow()); // A-2
        require(t.defaultSplitBps <= BPS, InvalidSplit()); // A-2
    }

    function _checkDeadlines(Terms calldata t) private view {
        uint256 answerBy = uint256(t.deliverBy) + t.acceptWithin;
        require(
            _follows(t.signBy, block.timestamp) && _follows(t.fundBy, t.signBy)
                && _follows(t.deliverBy, t.fundBy) && _follows(answerBy, t.deliverBy)
                && _follows(t.ruleBy, answerBy),
            InvalidDeadlines()
        ); // A-3
    }

    function _follows(uint256 time, uint256 earlier) private pure returns (bool) {
        return time > earlier && time - earlier <= MAX_PERIOD;
    }

    /// What the buyer puts up.
    function _escrow(Agreement storage a) private view returns (uint120) {
        return a.feed == 0 ? a.priceTotal : a.priceCap;
    }

    /// When delivery was finished; 0 while it is not.
    function _finishedAt(Agreement storage a) private view returns (uint256) {
        if (a.delivered == a.quantity) return a.deliveredAt;
        return block.timestamp > a.deliverBy ? a.deliverBy : 0;
    }

    /// Whether nothing but the price is open any more.
    function _isDecided(Agreement storage a) private view returns (bool) {
        if (a.status == Status.Disputed) return a.ruled || block.timestamp > a.ruleBy;
        uint256 finishedAt = _finishedAt(a);
        if (finishedAt == 0) return false;
        return a.delivered == 0 || a.accepted || block.timestamp > finishedAt + a.acceptWithin;
    }

    /// The feed's value as a price of the whole quantity, within what was agreed.
    function _clamp(Agreement storage a, int128 value) private view returns (uint120) {
        if (value <= 0) return a.priceFloor;
        // A positive int128 fits uint128; × 2^64 fits 256 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 price = uint256(int256(value)) * a.priceMul / a.priceDiv;
        // Within two uint120.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint120(Math.min(Math.max(price, a.priceFloor), a.priceCap));
    }
}

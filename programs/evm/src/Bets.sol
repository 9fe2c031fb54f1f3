// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Escrow} from "./Escrow.sol";
import {LongEvent} from "./LongEvent.sol";

/// @title Bets: pari-mutuel markets
/// @notice Bettors stake one ERC-20 token on outcomes of a question until `closeAt`; a resolver
/// names the outcome until `resolveBy`; those who staked on it share the whole pot, less a fee on
/// what the losers staked. A market nobody resolves in time is voided by anyone and gives every
/// stake back. Rules are numbered in `programs/SPEC.md`.
/// @dev Amounts are in the token's smallest unit, times in unix seconds, fees in basis points.
/// No function is reserved to an owner: the contract has none. The resolver of a market is
/// trusted with naming the outcome or voiding, and with nothing else.
contract Bets is Escrow {
    enum Status {
        Open,
        Resolved,
        Voided
    }

    /// @notice What the creator of a market chooses.
    struct Terms {
        address resolver;
        address token;
        /// Registry record the market is about, e.g. a video. 0 for none.
        bytes32 subject;
        /// sha-256 of the question document.
        bytes32 question;
        /// 2..16.
        uint8 outcomeCount;
        /// Bets are taken before this time, the outcome is named from it on.
        uint40 closeAt;
        /// Last second at which the outcome may be named; after it anyone may void.
        uint40 resolveBy;
        /// Of what the losers staked, ≤ 1,000.
        uint16 feeBps;
        address feeRecipient;
        /// Emitted only; together ≤ 700 bytes.
        string cid;
        string title;
    }

    /// @notice A market as it stands. A closed market reads as zeros.
    /// @dev Ordered so that a bet reads three slots and writes one of them.
    struct Market {
        address token;
        uint40 closeAt;
        uint8 outcomeCount;
        Status status;
        /// Named outcome; meaningful when Resolved.
        uint8 outcome;
        uint16 feeBps;
        bool feeCollected;
        // ── written by every bet
        /// Everything staked, over all outcomes.
        uint120 total;
        /// Number of the last event, 1, 2, 3…; 0 where there is no market.
        uint64 seq;
        /// Positions not closed yet.
        uint64 positions;
        // ── fixed when settled
        /// Stakes on the named outcome.
        uint120 winningPool;
        uint120 fee;
        /// What claims share: total − fee; total when Voided, 0 while Open.
        uint120 net;
        // ── written by every payment
        /// Everything paid out so far, claims, fee and dust.
        uint120 paid;
        // ── fixed at opening, read seldom
        address resolver;
        uint40 resolveBy;
        address feeRecipient;
        uint64 nonce;
        address creator;
        bytes32 subject;
        bytes32 question;
        /// Stakes per outcome; those from `outcomeCount` on are 0.
        uint120[16] pools;
    }

    /// @notice One bettor's stake on one outcome.
    struct Position {
        uint120 stake;
        bool claimed;
    }

    /// What MarketOpened has beside its indexed fields, in its order.
    struct OpenedData {
        uint64 seq;
        uint64 nonce;
        address resolver;
        address token;
        bytes32 subject;
        bytes32 question;
        uint8 outcomeCount;
        uint40 closeAt;
        uint40 resolveBy;
        uint16 feeBps;
        address feeRecipient;
        Status statusAfter;
        string cid;
        string title;
    }

    uint256 private constant MIN_OUTCOMES = 2;
    uint256 private constant MAX_OUTCOMES = 16;
    uint256 private constant MAX_FEE_BPS = 1000;
    uint256 private constant BPS = 10_000;
    /// Each deadline follows the one before by at most this, so nothing is locked for ever.
    uint256 private constant MAX_PERIOD = 366 days;
    /// Bytes of CID and title together; a Solana transaction has room for no more.
    uint256 private constant MAX_TEXT = 700;

    /// @notice Markets ever opened.
    uint64 public marketCount;
    /// @notice Markets ever opened by `creator`: the nonce of the next one.
    mapping(address creator => uint64) public nonces;
    mapping(bytes32 market => Market) private _markets;
    mapping(bytes32 market => mapping(address bettor => mapping(uint8 outcome => Position))) private
        _positions;

    event MarketOpened(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        address resolver,
        address token,
        bytes32 subject,
        bytes32 question,
        uint8 outcomeCount,
        uint40 closeAt,
        uint40 resolveBy,
        uint16 feeBps,
        address feeRecipient,
        Status statusAfter,
        string cid,
        string title
    );
    event BetPlaced(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        address indexed bettor,
        uint8 outcome,
        uint120 amount,
        uint120 stakeAfter,
        uint120 poolAfter,
        uint120 totalAfter
    );
    event MarketResolved(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        uint8 outcome,
        uint120 winningPool,
        uint120 fee,
        uint120 net,
        Status statusAfter
    );
    event MarketVoided(
        bytes32 indexed market, uint64 seq, address indexed actor, Status statusAfter
    );
    event BetClaimed(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        address indexed bettor,
        uint8 outcome,
        uint120 stake,
        uint120 payout,
        uint120 paidAfter
    );
    event FeeCollected(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        address recipient,
        uint120 amount,
        uint120 paidAfter
    );
    event PositionClosed(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        address indexed bettor,
        uint8 outcome,
        address rentPayer
    );
    event MarketClosed(
        bytes32 indexed market, uint64 seq, address indexed actor, uint120 dust, uint120 paidAfter
    );

    error InvalidOutcomeCount();
    error FeeTooHigh();
    error InvalidCloseTime();
    error InvalidResolveTime();
    error ZeroAddress();
    error TextTooLong();
    error MarketNotOpen();
    error BettingClosed();
    error InvalidOutcome();
    error ZeroAmount();
    error Overflow();
    error NotResolver();
    error TooEarly();
    error TooLate();
    error MarketNotSettled();
    error NothingToClaim();
    error AlreadyClaimed();
    error NoFee();
    error FeeAlreadyCollected();
    error PositionNotClaimed();
    error PositionsLeft();
    error FeeNotCollected();
    error MarketNotFound();
    error NoPosition();

    /// @notice Opens a market. Anyone may; the caller is its creator, who gains no right by it.
    /// @return market id of the new market
    function open(Terms calldata terms) external returns (bytes32 market) {
        require(
            terms.outcomeCount >= MIN_OUTCOMES && terms.outcomeCount <= MAX_OUTCOMES,
            InvalidOutcomeCount()
        ); // B-2
        require(terms.feeBps <= MAX_FEE_BPS, FeeTooHigh()); // B-2
        require(
            terms.closeAt > block.timestamp && terms.closeAt <= block.timestamp + MAX_PERIOD,
            InvalidCloseTime()
        ); // B-3
        require(
            terms.resolveBy > terms.closeAt
                && terms.resolveBy <= uint256(terms.closeAt) + MAX_PERIOD,
            InvalidResolveTime()
        ); // B-4
        require(terms.resolver != address(0) && terms.feeRecipient != address(0), ZeroAddress()); // B-5
        require(bytes(terms.cid).length + bytes(terms.title).length <= MAX_TEXT, TextTooLong()); // B-5
        require(terms.token.code.length > 0, InvalidToken()); // B-5

        uint64 nonce = nonces[msg.sender]++;
        market = marketId(msg.sender, nonce);
        ++marketCount;
        Market storage m = _markets[market];
        m.token = terms.token;
        m.closeAt = terms.closeAt;
        m.outcomeCount = terms.outcomeCount;
        m.feeBps = terms.feeBps;
        m.seq = 1;
        m.resolver = terms.resolver;
        m.resolveBy = terms.resolveBy;
        m.feeRecipient = terms.feeRecipient;
        m.nonce = nonce;
        m.creator = msg.sender;
        m.subject = terms.subject;
        m.question = terms.question;
        _logOpened(market, nonce, terms);
    }

    /// @notice Stakes `amount` on `outcome` for the caller. Anyone may, before `closeAt`.
    /// @param amount taken from the caller, who has approved it
    function place(bytes32 market, uint8 outcome, uint120 amount) external {
        _place(market, outcome, amount);
    }

    /// @notice As `place`, with an EIP-2612 permit of the caller instead of an earlier approval.
    function placeWithPermit(
        bytes32 market,
        uint8 outcome,
        uint120 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        _permit(IERC20(_market(market).token), msg.sender, amount, deadline, v, r, s);
        _place(market, outcome, amount);
    }

    /// @notice Names the outcome. Only the resolver, from `closeAt` to `resolveBy`, once.
    /// An outcome nobody staked on voids the market.
    function resolve(bytes32 market, uint8 outcome) external {
        Market storage m = _market(market);
        require(msg.sender == m.resolver, NotResolver()); // B-9
        require(m.status == Status.Open, MarketNotOpen()); // B-9
        require(block.timestamp >= m.closeAt, TooEarly()); // B-9
        require(block.timestamp <= m.resolveBy, TooLate()); // B-9
        require(outcome < m.outcomeCount, InvalidOutcome()); // B-9

        uint120 winningPool = m.pools[outcome];
        if (winningPool == 0) {
            _void(market, m);
            return;
        }
        uint120 total = m.total;
        // Below 2^120 × 1,000, so the product fits 256 bits; the fee is at most a tenth of total.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint120 fee = uint120(uint256(total - winningPool) * m.feeBps / BPS);
        uint120 net = total - fee;
        m.status = Status.Resolved;
        m.outcome = outcome;
        m.winningPool = winningPool;
        m.fee = fee;
        m.net = net;
        emit MarketResolved(
            market, ++m.seq, msg.sender, outcome, winningPool, fee, net, Status.Resolved
        );
    }

    /// @notice Gives every stake back. The resolver from `closeAt` on; anyone after `resolveBy`.
    function void(bytes32 market) external {
        Market storage m = _market(market);
        require(m.status == Status.Open, MarketNotOpen()); // B-12
        require(block.timestamp >= m.closeAt, TooEarly()); // B-12
        require(block.timestamp > m.resolveBy || msg.sender == m.resolver, NotResolver()); // B-12
        _void(market, m);
    }

    /// @notice Pays `bettor` what a position is worth. Anyone may call; the bettor is paid.
    /// A position on the named outcome is worth floor(stake × net / winningPool), any position of
    /// a voided market its stake, any other nothing.
    function claim(bytes32 market, address bettor, uint8 outcome) external {
        Market storage m = _market(market);
        Position storage p = _positions[market][bettor][outcome];
        Status status = m.status;
        uint120 stake = p.stake;
        require(status != Status.Open, MarketNotSettled()); // B-13
        require(stake > 0 && (status == Status.Voided || outcome == m.outcome), NothingToClaim()); // B-13
        require(!p.claimed, AlreadyClaimed()); // B-13

        uint120 payout = stake;
        if (status == Status.Resolved) {
            // At most net, because no stake exceeds the pool that it is part of.
            // forge-lint: disable-next-line(unsafe-typecast)
            payout = uint120(Math.mulDiv(stake, m.net, m.winningPool));
        }
        p.claimed = true;
        uint120 paid = m.paid + payout;
        m.paid = paid;
        emit BetClaimed(market, ++m.seq, msg.sender, bettor, outcome, stake, payout, paid);
        _push(IERC20(m.token), bettor, payout);
    }

    /// @notice Pays the fee of a resolved market to its recipient. Anyone may call, once.
    function collectFee(bytes32 market) external {
        Market storage m = _market(market);
        uint120 fee = m.fee;
        require(m.status != Status.Open, MarketNotSettled()); // B-15
        require(fee > 0, NoFee()); // B-15
        require(!m.feeCollected, FeeAlreadyCollected()); // B-15

        m.feeCollected = true;
        uint120 paid = m.paid + fee;
        m.paid = paid;
        address recipient = m.feeRecipient;
        emit FeeCollected(market, ++m.seq, msg.sender, recipient, fee, paid);
        _push(IERC20(m.token), recipient, fee);
    }

    /// @notice Forgets a position that lost or is paid. Anyone may call.
    function closePosition(bytes32 market, address bettor, uint8 outcome) external {
        Market storage m = _market(market);
        Position storage p = _positions[market][bettor][outcome];
        Status status = m.status;
        require(status != Status.Open, MarketNotSettled()); // B-16
        require(p.stake > 0, NoPosition()); // B-16
        require(
            p.claimed || (status == Status.Resolved && outcome != m.outcome), PositionNotClaimed()
        ); // B-16

        delete _positions[market][bettor][outcome];
        --m.positions;
        emit PositionClosed(market, ++m.seq, msg.sender, bettor, outcome, bettor);
    }

    /// @notice Forgets a settled market without positions; what rounding left goes to the fee
    /// recipient. Anyone may call.
    function close(bytes32 market) external {
        Market storage m = _market(market);
        require(m.status != Status.Open, MarketNotSettled()); // B-17
        require(m.positions == 0, PositionsLeft()); // B-17
        require(m.fee == 0 || m.feeCollected, FeeNotCollected()); // B-17

        IERC20 token = IERC20(m.token);
        address recipient = m.feeRecipient;
        uint120 total = m.total;
        uint120 dust = total - m.paid;
        uint64 seq = m.seq + 1;
        delete _markets[market];
        emit MarketClosed(market, seq, msg.sender, dust, total);
        if (dust > 0) _push(token, recipient, dust);
    }

    /// @notice The market as it stands.
    function getMarket(bytes32 market) external view returns (Market memory) {
        return _market(market);
    }

    /// @notice One bettor's stake on one outcome; zeros where there is none.
    function getPosition(bytes32 market, address bettor, uint8 outcome)
        external
        view
        returns (Position memory)
    {
        return _positions[market][bettor][outcome];
    }

    /// @notice Id of the market that `creator` opened with `nonce` on this chain and contract.
    function marketId(address creator, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), creator, nonce));
    }

    function _place(bytes32 market, uint8 outcome, uint120 amount) private {
        Market storage m = _market(market);
        uint120 total = m.total;
        require(m.status == Status.Open, MarketNotOpen()); // B-6
        require(block.timestamp < m.closeAt, BettingClosed()); // B-6
        require(outcome < m.outcomeCount, InvalidOutcome()); // B-7
        require(amount > 0, ZeroAmount()); // B-7
        require(amount <= type(uint120).max - total, Overflow()); // B-8

        // Stake and pool are part of total: what total can hold, they can.
        Position storage p = _positions[market][msg.sender][outcome];
        uint120 stake = p.stake;
        if (stake == 0) ++m.positions;
        stake += amount;
        total += amount;
        uint120 pool = m.pools[outcome] + amount;
        p.stake = stake;
        m.pools[outcome] = pool;
        m.total = total;
        emit BetPlaced(market, ++m.seq, msg.sender, msg.sender, outcome, amount, stake, pool, total);
        _pull(IERC20(m.token), msg.sender, amount);
    }

    function _void(bytes32 market, Market storage m) private {
        m.status = Status.Voided;
        m.net = m.total;
        emit MarketVoided(market, ++m.seq, msg.sender, Status.Voided);
    }

    function _market(bytes32 market) private view returns (Market storage m) {
        m = _markets[market];
        require(m.seq > 0, MarketNotFound()); // B-18
    }

    function _logOpened(bytes32 market, uint64 nonce, Terms calldata terms) private {
        OpenedData memory opened;
        opened.seq = 1;
        opened.nonce = nonce;
        opened.resolver = terms.resolver;
        opened.token = terms.token;
        opened.subject = terms.subject;
        opened.question = terms.question;
        opened.outcomeCount = terms.outcomeCount;
        opened.closeAt = terms.closeAt;
        opened.resolveBy = terms.resolveBy;
        opened.feeBps = terms.feeBps;
        opened.feeRecipient = terms.feeRecipient;
        opened.statusAfter = Status.Open;
        opened.cid = terms.cid;
        opened.title = terms.title;
        LongEvent.log(MarketOpened.selector, market, msg.sender, abi.encode(opened));
    }
}

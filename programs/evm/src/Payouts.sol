// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Escrow} from "./Escrow.sol";
import {Feeds} from "./Feeds.sol";
import {LongEvent} from "./LongEvent.sol";

/// @title What a clone of Payouts asks of the factory that made it.
interface IProjects {
    /// @notice The owner of a project that is active; reverts for any other.
    function activeOwner(bytes32 project) external view returns (address);
}

/// @title Payouts: pools that pay many people
/// @notice Funders fill a pool, its operator publishes the Merkle root of who gets how much, and
/// once nobody vetoed it, each account is paid by proof. What is not claimed goes back to the
/// funders. Rules are numbered in `programs/SPEC.md`.
/// @dev Amounts are in the token's smallest unit, times in unix seconds. Used as it is, for pools
/// of no project, and through the clones that `Projects` makes, one for each project.
contract Payouts is Escrow, EIP712 {
    using MerkleProof for bytes32[];

    enum Kind {
        Round,
        Revenue,
        Aid
    }

    enum Status {
        Funding,
        Published,
        Vetoed,
        Expired
    }

    /// @notice What the creator of a pool chooses.
    struct Terms {
        address operator;
        /// 0 for none.
        address guardian;
        address token;
        Kind kind;
        /// Registry record that the pool is about; 0 for none.
        bytes32 record;
        /// Whether the window is in block numbers.
        bool byHeight;
        uint64 opensAt;
        uint64 closesAt;
        uint120 entryFee;
        uint40 publishBy;
        /// Seconds that the guardian has.
        uint32 challengeDelay;
        uint40 expiresAt;
        /// 0 for no trigger.
        bytes32 feed;
        /// 1: value ≥ threshold, 2: value ≤ threshold.
        uint8 comparator;
        int128 threshold;
        uint40 triggerBy;
        /// Emitted only; together ≤ 700 bytes.
        string cid;
        string title;
    }

    /// @notice A pool as it stands.
    struct Pool {
        // ── all that a claim writes, and most that it reads, in one slot
        /// Of total, neither claimed nor allocated.
        uint120 unclaimed;
        /// Number of the last event; 0 where there is no pool.
        uint48 seq;
        /// When claims open; `NEVER` before publication, and until a trigger fires.
        uint40 claimsOpenAt;
        uint40 expiresAt;
        Status status;
        // ── slot 2
        address token;
        uint40 publishBy;
        Kind kind;
        bool fired;
        bool byHeight;
        uint8 comparator;
        // ── slot 3
        bytes32 root;
        // ── slot 4
        address operator;
        uint40 createdAt;
        uint40 triggerBy;
        // ── slot 5
        address guardian;
        /// When the challenge of what is published ends.
        uint40 challengedUntil;
        uint32 challengeDelay;
        // ── slot 6
        uint120 funded;
        uint120 total;
        // ── slot 7
        /// Allocated, not redeemed.
        uint120 vouchers;
        uint120 entryFee;
        // ── slot 8
        /// What there was to refund when the pool expired.
        uint120 left;
        uint120 refunded;
        // ── slot 9
        uint64 opensAt;
        uint64 closesAt;
        uint128 nonce;
        // ── slots 10, 11
        /// Receipts that are not refunded yet, once the pool expired.
        uint120 receipts;
        int128 threshold;
        uint32 leafCount;
        address creator;
        bytes32 feed;
        bytes32 record;
        bytes32 manifest;
    }

    /// One bit for each of 256 indices.
    struct Word {
        uint256 bits;
    }

    /// What PoolOpened has beside its indexed fields, in its order.
    struct OpenedData {
        uint64 seq;
        uint64 nonce;
        address operator;
        address guardian;
        address token;
        Kind kind;
        bytes32 project;
        bytes32 record;
        bool byHeight;
        uint64 opensAt;
        uint64 closesAt;
        uint120 entryFee;
        uint40 publishBy;
        uint32 challengeDelay;
        uint40 expiresAt;
        bytes32 feed;
        uint8 comparator;
        int128 threshold;
        uint40 triggerBy;
        Status statusAfter;
        string cid;
        string title;
    }

    uint40 private constant NEVER = type(uint40).max;
    /// Longest time from one deadline to the next.
    uint256 private constant TEN_YEARS = 3650 days;
    uint256 private constant MAX_DELAY = 366 days;
    /// Claims are open for at least this long.
    uint256 private constant MIN_CLAIM_TIME = 7 days;
    uint256 private constant MAX_TEXT = 700;
    bytes32 private constant REDEEM_TYPEHASH = keccak256(
        "Redeem(bytes32 pool,address account,address vendor,uint256 amount,uint256 nonce,uint256 expiry)"
    );

    address private immutable SELF;
    /// @notice Where triggers' feeds live.
    Feeds public immutable FEEDS;

    /// @notice Pools ever opened in this contract.
    uint64 public poolCount;
    /// @notice Pools ever opened here by `creator`: the nonce of the next one.
    mapping(address creator => uint64) public nonces;
    /// @notice The nonce of a beneficiary's next redemption.
    mapping(address account => uint64) public redemptions;
    /// @notice What a funder put into a pool and was not refunded.
    mapping(bytes32 pool => mapping(address funder => uint120)) public receiptOf;
    /// @notice What a beneficiary can still redeem.
    mapping(bytes32 pool => mapping(address account => uint120)) public voucherOf;
    /// @notice Whether the pool's operator lets `vendor` be paid by vouchers.
    mapping(bytes32 pool => mapping(address vendor => bool)) public isVendor;
    /// @notice Whether `entrant` has entered `record`.
    mapping(bytes32 pool => mapping(address entrant => mapping(bytes32 record => bool))) public
        hasEntered;
    mapping(bytes32 pool => Pool) private _pools;
    mapping(bytes32 pool => mapping(uint64 word => Word)) private _claimed;
    /// The token of a pool under the root that stands published, and under no other: a claim finds
    /// it by the root that its proof gives, and so reads one slot for both.
    mapping(bytes32 pool => mapping(bytes32 root => address token)) private _published;

    event PoolOpened(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        address operator,
        address guardian,
        address token,
        Kind kind,
        bytes32 project,
        bytes32 record,
        bool byHeight,
        uint64 opensAt,
        uint64 closesAt,
        uint120 entryFee,
        uint40 publishBy,
        uint32 challengeDelay,
        uint40 expiresAt,
        bytes32 feed,
        uint8 comparator,
        int128 threshold,
        uint40 triggerBy,
        Status statusAfter,
        string cid,
        string title
    );
    event PoolFunded(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        address funder,
        uint120 amount,
        uint120 receiptAfter,
        uint120 fundedAfter
    );
    event RoundEntered(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        address entrant,
        bytes32 record,
        uint120 fee,
        uint120 fundedAfter
    );
    event PoolPublished(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        bytes32 root,
        uint120 total,
        uint32 leafCount,
        bytes32 manifest,
        uint40 claimsOpenAt,
        Status statusAfter,
        string cid
    );
    event PoolVetoed(bytes32 indexed pool, uint64 seq, address indexed actor, Status statusAfter);
    event TriggerFired(
        bytes32 indexed pool, uint64 seq, address indexed actor, uint64 round, int128 value
    );
    event PayoutClaimed(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        address indexed account,
        uint64 index,
        uint120 amount,
        uint120 unclaimedAfter
    );
    event VoucherAllocated(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        address indexed account,
        uint64 index,
        uint120 amount,
        uint120 voucherAfter,
        uint120 unclaimedAfter
    );
    event VendorSet(
        bytes32 indexed pool, uint64 seq, address indexed actor, address vendor, bool allowed
    );
    event VoucherRedeemed(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        address indexed account,
        address vendor,
        uint120 amount,
        uint64 nonce,
        uint120 voucherAfter
    );
    event FunderRefunded(
        bytes32 indexed pool,
        uint64 seq,
        address indexed actor,
        address funder,
        uint120 amount,
        Status statusAfter
    );

    error NotOwner();
    error ZeroAddress();
    error InvalidWindow();
    error InvalidDeadlines();
    error InvalidTrigger();
    error TextTooLong();
    error WrongStatus();
    error TooLate();
    error ZeroAmount();
    error Overflow();
    error NotARound();
    error TooEarly();
    error AlreadyEntered();
    error NotOperator();
    error InvalidRoot();
    error InsufficientFunds();
    error NotGuardian();
    error NoTrigger();
    error AlreadyFired();
    error ObservationOutOfWindow();
    error StaleObservation();
    error ConditionNotMet();
    error NotTriggered();
    error AlreadyClaimed();
    error InvalidProof();
    error ExceedsTotal();
    error NotVendor();
    error SignatureExpired();
    error InvalidSignature();
    error ExceedsVoucher();
    error NothingToRefund();
    error PoolNotFound();

    constructor(Feeds feeds) EIP712("chainfold payouts", "1") {
        SELF = address(this);
        FEEDS = feeds;
    }

    /// @notice Opens a pool. Anyone may; in a project's clone its owner.
    function open(Terms calldata t) external returns (bytes32 pool) {
        bytes32 project = _project();
        require(t.operator != address(0), ZeroAddress()); // P-1
        _checkWindow(t);
        _checkDeadlines(t);
        require(bytes(t.cid).length + bytes(t.title).length <= MAX_TEXT, TextTooLong()); // P-4
        require(t.token.code.length > 0, InvalidToken()); // P-4

        uint64 nonce = nonces[msg.sender]++;
        pool = poolId(msg.sender, nonce);
        ++poolCount;
        _store(_pools[pool], nonce, t);
        _logOpened(pool, nonce, project, t);
    }

    /// @notice Adds `amount` to a pool and to the caller's receipt. Anyone may, until `publishBy`.
    function fund(bytes32 pool, uint120 amount) external {
        _fund(pool, amount);
    }

    /// @notice As `fund`, with an EIP-2612 permit of the caller instead of an earlier approval.
    function fundWithPermit(
        bytes32 pool,
        uint120 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        _permit(IERC20(_pool(pool).token), msg.sender, amount, deadline, v, r, s);
        _fund(pool, amount);
    }

    /// @notice Enters `record` in a round and pays its entry fee. Anyone may, in its window.
    function enter(bytes32 pool, bytes32 record) external {
        Pool storage p = _pool(pool);
        uint256 present = p.byHeight ? block.number : block.timestamp;
        require(p.kind == Kind.Round, NotARound()); // P-6
        require(p.status == Status.Funding, WrongStatus()); // P-6
        require(present >= p.opensAt, TooEarly()); // P-6
        require(present < p.closesAt && block.timestamp <= p.publishBy, TooLate()); // P-6
        require(!hasEntered[pool][msg.sender][record], AlreadyEntered()); // P-6

        hasEntered[pool][msg.sender][record] = true;
        uint120 fee = p.entryFee;
        uint120 funded = _credit(pool, p, fee);
        emit RoundEntered(pool, ++p.seq, msg.sender, msg.sender, record, fee, funded);
        if (fee > 0) _pull(IERC20(p.token), msg.sender, fee);
    }

    /// @notice Publishes who gets how much. Only the operator, until `publishBy`.
    /// @param root of a StandardMerkleTree whose leaves P-11 describes
    /// @param total sum of the leaves' amounts
    /// @param manifest sha-256 of the document that lists the leaves, `cid` where it lies
    function publish(
        bytes32 pool,
        bytes32 root,
        uint120 total,
        uint32 leafCount,
        bytes32 manifest,
        string calldata cid
    ) external {
        Pool storage p = _pool(pool);
        require(msg.sender == p.operator, NotOperator()); // P-7
        require(p.status == Status.Funding || p.status == Status.Vetoed, WrongStatus()); // P-7
        require((p.byHeight ? block.number : block.timestamp) >= p.closesAt, TooEarly()); // P-7
        require(block.timestamp <= p.publishBy, TooLate()); // P-7
        require(root != 0 && leafCount > 0, InvalidRoot()); // P-7
        require(total > 0 && total <= p.funded, InsufficientFunds()); // P-7
        require(bytes(cid).length <= MAX_TEXT, TextTooLong()); // P-7

        uint40 challengedUntil = uint40(block.timestamp) + p.challengeDelay;
        p.status = Status.Published;
        p.challengedUntil = challengedUntil;
        p.claimsOpenAt = p.feed == 0 || p.fired ? challengedUntil : NEVER;
        (p.root, p.total, p.unclaimed) = (root, total, total);
        (p.leafCount, p.manifest) = (leafCount, manifest);
        _published[pool][root] = p.token;
        emit PoolPublished(
            pool,
            ++p.seq,
            msg.sender,
            root,
            total,
            leafCount,
            manifest,
            challengedUntil,
            Status.Published,
            cid
        );
    }

    /// @notice Forgets what was published. Only the guardian, until the challenge delay ends.
    function veto(bytes32 pool) external {
        Pool storage p = _pool(pool);
        require(msg.sender == p.guardian, NotGuardian()); // P-8
        require(p.status == Status.Published, WrongStatus()); // P-8
        require(block.timestamp < p.challengedUntil, TooLate()); // P-8

        p.status = Status.Vetoed;
        _published[pool][p.root] = address(0);
        (p.claimsOpenAt, p.challengedUntil) = (NEVER, 0);
        (p.root, p.total, p.unclaimed, p.leafCount, p.manifest) = (0, 0, 0, 0, 0);
        emit PoolVetoed(pool, ++p.seq, msg.sender, Status.Vetoed);
    }

    /// @notice Latches an observation that fulfils the pool's trigger. Anyone may, until
    /// `triggerBy`.
    /// @param round the observation's number in the feed
    function fire(bytes32 pool, uint64 round) external {
        Pool storage p = _pool(pool);
        bytes32 feed = p.feed;
        require(feed != 0, NoTrigger()); // P-9
        require(!p.fired, AlreadyFired()); // P-9
        require(block.timestamp <= p.triggerBy, TooLate()); // P-9
        Feeds.Observation memory o = FEEDS.getObservation(feed, round);
        require(o.observedAt > p.createdAt && o.observedAt <= p.triggerBy, ObservationOutOfWindow()); // P-9
        require(
            block.timestamp <= uint256(o.observedAt) + FEEDS.getFeed(feed).heartbeat,
            StaleObservation()
        ); // P-9
        bool met = p.comparator == 1 ? o.value >= p.threshold : o.value <= p.threshold;
        require(met, ConditionNotMet()); // P-9

        p.fired = true;
        if (p.status == Status.Published) p.claimsOpenAt = p.challengedUntil;
        emit TriggerFired(pool, ++p.seq, msg.sender, round, o.value);
    }

    /// @notice Pays `account` what the published tree says. Anyone may call.
    function claim(
        bytes32 pool,
        uint64 index,
        address account,
        uint120 amount,
        bytes32[] calldata proof
    ) external {
        bytes32 root = proof.processProofCalldata(_leaf(pool, index, account, amount));
        (uint64 seq, uint120 unclaimed, address token) = _take(pool, index, amount, root);
        emit PayoutClaimed(pool, seq, msg.sender, account, index, amount, unclaimed);
        _push(IERC20(token), account, amount);
    }

    /// @notice Turns what the published tree says into `account`'s voucher. Anyone may call.
    function allocate(
        bytes32 pool,
        uint64 index,
        address account,
        uint120 amount,
        bytes32[] calldata proof
    ) external {
        bytes32 root = proof.processProofCalldata(_leaf(pool, index, account, amount));
        (uint64 seq, uint120 unclaimed,) = _take(pool, index, amount, root);
        _pools[pool].vouchers += amount;
        uint120 voucher = voucherOf[pool][account] + amount;
        voucherOf[pool][account] = voucher;
        emit VoucherAllocated(pool, seq, msg.sender, account, index, amount, voucher, unclaimed);
    }

    /// @notice Lets a vendor be paid by vouchers, or not any more. Only the operator.
    function setVendor(bytes32 pool, address vendor, bool allowed) external {
        Pool storage p = _pool(pool);
        require(msg.sender == p.operator, NotOperator()); // P-13
        isVendor[pool][vendor] = allowed;
        emit VendorSet(pool, ++p.seq, msg.sender, vendor, allowed);
    }

    /// @notice Pays a vendor out of `account`'s voucher, with the account's EIP-712 signature
    /// (ERC-1271 for contracts). Anyone may call.
    /// @param expiry last second at which the signature may be used
    function redeem(
        bytes32 pool,
        address account,
        address vendor,
        uint120 amount,
        uint256 expiry,
        bytes calldata signature
    ) external {
        Pool storage p = _pool(pool);
        require(isVendor[pool][vendor], NotVendor()); // P-14
        require(p.status == Status.Published, WrongStatus()); // P-14
        require(block.timestamp < p.expiresAt, TooLate()); // P-14
        require(block.timestamp <= expiry, SignatureExpired()); // P-14
        require(amount > 0, ZeroAmount()); // P-14
        uint64 nonce = redemptions[account]++;
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(REDEEM_TYPEHASH, pool, account, vendor, uint256(amount), nonce, expiry)
            )
        );
        require(
            SignatureChecker.isValidSignatureNowCalldata(account, digest, signature),
            InvalidSignature()
        ); // P-14
        uint120 voucher = voucherOf[pool][account];
        require(amount <= voucher, ExceedsVoucher()); // P-14

        voucher -= amount;
        voucherOf[pool][account] = voucher;
        p.vouchers -= amount;
        emit VoucherRedeemed(pool, ++p.seq, msg.sender, account, vendor, amount, nonce, voucher);
        _push(IERC20(p.token), vendor, amount);
    }

    /// @notice Gives `funder` their part of what is left. Anyone may call, from `expiresAt`, or
    /// from `publishBy` if nothing stands published then.
    function refund(bytes32 pool, address funder) external {
        Pool storage p = _pool(pool);
        Status status = p.status;
        if (status != Status.Expired) {
            require(
                block.timestamp >= p.expiresAt
                    || (status != Status.Published && block.timestamp > p.publishBy),
                TooEarly()
            ); // P-15
            // Funded, less what left the contract: claims, and vouchers that were redeemed.
            p.left = p.funded - (p.total - p.unclaimed) + p.vouchers;
            p.receipts = p.funded;
            p.status = Status.Expired;
        }
        uint120 receipt = receiptOf[pool][funder];
        require(receipt > 0, NothingToRefund()); // P-15

        uint120 receipts = p.receipts;
        uint120 refunded = p.refunded;
        uint120 amount = p.left - refunded;
        if (receipt < receipts) {
            // At most left, because no receipt exceeds what was funded.
            // forge-lint: disable-next-line(unsafe-typecast)
            amount = uint120(Math.mulDiv(p.left, receipt, p.funded));
        }
        receiptOf[pool][funder] = 0;
        p.receipts = receipts - receipt;
        p.refunded = refunded + amount;
        emit FunderRefunded(pool, ++p.seq, msg.sender, funder, amount, Status.Expired);
        if (amount > 0) _push(IERC20(p.token), funder, amount);
    }

    /// @notice The pool as it stands.
    function getPool(bytes32 pool) external view returns (Pool memory) {
        return _pool(pool);
    }

    /// @notice Whether the leaf of `index` was claimed or allocated.
    function isClaimed(bytes32 pool, uint64 index) external view returns (bool) {
        return (_claimed[pool][index >> 8].bits >> (index & 0xff)) & 1 == 1;
    }

    /// @notice Id of the pool that `creator` opened with `nonce` on this chain and contract.
    function poolId(address creator, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), creator, nonce));
    }

    function _fund(bytes32 pool, uint120 amount) private {
        Pool storage p = _pool(pool);
        require(p.status == Status.Funding || p.status == Status.Vetoed, WrongStatus()); // P-5
        require(block.timestamp <= p.publishBy, TooLate()); // P-5
        require(amount > 0, ZeroAmount()); // P-5

        uint120 funded = _credit(pool, p, amount);
        emit PoolFunded(
            pool, ++p.seq, msg.sender, msg.sender, amount, receiptOf[pool][msg.sender], funded
        );
        _pull(IERC20(p.token), msg.sender, amount);
    }

    function _credit(bytes32 pool, Pool storage p, uint120 amount)
        private
        returns (uint120 funded)
    {
        funded = p.funded;
        require(amount <= type(uint120).max - funded, Overflow()); // P-5
        funded += amount;
        p.funded = funded;
        receiptOf[pool][msg.sender] += amount;
    }

    /// Takes a leaf's amount off what is unclaimed and marks it, if `root`, which its proof gives,
    /// is the published one.
    function _take(bytes32 pool, uint64 index, uint120 amount, bytes32 root)
        private
        returns (uint64, uint120, address token)
    {
        Pool storage p = _pools[pool];
        uint256 head;
        assembly ("memory-safe") {
            head := sload(p.slot)
        }
        // Parts of that slot, which is read once for all.
        (uint48 seq, uint40 opensAt, uint40 expiresAt, Status status, uint120 unclaimed) =
            (p.seq, p.claimsOpenAt, p.expiresAt, p.status, p.unclaimed);
        require(seq > 0, PoolNotFound()); // P-16
        require(status == Status.Published, WrongStatus()); // P-10
        require(opensAt != NEVER, NotTriggered()); // P-10
        require(block.timestamp >= opensAt, TooEarly()); // P-10
        require(block.timestamp < expiresAt, TooLate()); // P-10
        _mark(pool, index);
        token = _published[pool][root];
        require(token != address(0), InvalidProof()); // P-10
        require(amount <= unclaimed, ExceedsTotal()); // P-10

        // unclaimed is the slot's lowest 120 bits and seq the next: no borrow, as was checked, and
        // no carry, which would take 2^48 events.
        unchecked {
            ++seq;
            unclaimed -= amount;
            head += (1 << 120) - uint256(amount);
        }
        assembly ("memory-safe") {
            sstore(p.slot, head)
        }
        return (seq, unclaimed, token);
    }

    /// Sets the bit of `index`, which must not be set.
    function _mark(bytes32 pool, uint64 index) private {
        Word storage word = _claimed[pool][index >> 8];
        uint256 bits = word.bits;
        // forge-lint: disable-next-line(incorrect-shift)
        uint256 bit = 1 << (index & 0xff);
        require(bits & bit == 0, AlreadyClaimed()); // P-10
        word.bits = bits | bit;
    }

    function _leaf(bytes32 pool, uint64 index, address account, uint120 amount)
        private
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256(abi.encode(block.chainid, address(this), pool, index, account, amount))
            )
        );
    }

    function _store(Pool storage p, uint64 nonce, Terms calldata t) private {
        p.seq = 1;
        p.claimsOpenAt = NEVER;
        p.expiresAt = t.expiresAt;
        p.token = t.token;
        p.publishBy = t.publishBy;
        p.kind = t.kind;
        p.operator = t.operator;
        p.createdAt = uint40(block.timestamp);
        p.guardian = t.guardian;
        p.challengeDelay = t.challengeDelay;
        p.nonce = nonce;
        p.creator = msg.sender;
        if (t.record != 0) p.record = t.record;
        if (t.kind == Kind.Round) {
            (p.byHeight, p.opensAt, p.closesAt) = (t.byHeight, t.opensAt, t.closesAt);
            p.entryFee = t.entryFee;
        }
        if (t.feed != 0) {
            (p.feed, p.comparator, p.threshold) = (t.feed, t.comparator, t.threshold);
            p.triggerBy = t.triggerBy;
        }
    }

    function _logOpened(bytes32 pool, uint64 nonce, bytes32 project, Terms calldata t) private {
        OpenedData memory o;
        o.seq = 1;
        o.nonce = nonce;
        o.operator = t.operator;
        o.guardian = t.guardian;
        o.token = t.token;
        o.kind = t.kind;
        o.project = project;
        o.record = t.record;
        o.byHeight = t.byHeight;
        o.opensAt = t.opensAt;
        o.closesAt = t.closesAt;
        o.entryFee = t.entryFee;
        o.publishBy = t.publishBy;
        o.challengeDelay = t.challengeDelay;
        o.expiresAt = t.expiresAt;
        o.feed = t.feed;
        o.comparator = t.comparator;
        o.threshold = t.threshold;
        o.triggerBy = t.triggerBy;
        o.statusAfter = Status.Funding;
        o.cid = t.cid;
        o.title = t.title;
        LongEvent.log(PoolOpened.selector, pool, msg.sender, abi.encode(o));
    }

    function _pool(bytes32 pool) private view returns (Pool storage p) {
        p = _pools[pool];
        require(p.seq > 0, PoolNotFound()); // P-16
    }

    /// The project whose clone this is, which the caller must own; 0 outside of any.
    function _project() private view returns (bytes32 project) {
        if (address(this) == SELF) return 0;
        IProjects projects;
        (projects, project) = abi.decode(Clones.fetchCloneArgs(address(this)), (IProjects, bytes32));
        require(msg.sender == projects.activeOwner(project), NotOwner()); // P-1
    }

    function _checkWindow(Terms calldata t) private view {
        if (t.kind == Kind.Round) {
            require(t.opensAt < t.closesAt, InvalidWindow()); // P-2
            require(
                t.byHeight || (t.closesAt > block.timestamp && t.closesAt < t.publishBy),
                InvalidWindow()
            ); // P-2
        } else {
            require(
                t.opensAt == 0 && t.closesAt == 0 && t.entryFee == 0 && !t.byHeight, InvalidWindow()
            ); // P-2
        }
    }

    function _checkDeadlines(Terms calldata t) private view {
        // Without a trigger triggerBy is 0, which is checked below.
        uint256 last = Math.max(t.publishBy, t.triggerBy);
        require(
            t.publishBy > block.timestamp && t.publishBy <= block.timestamp + TEN_YEARS
                && t.challengeDelay <= MAX_DELAY
                && t.expiresAt >= uint256(t.publishBy) + t.challengeDelay + MIN_CLAIM_TIME
                && t.expiresAt <= last + TEN_YEARS,
            InvalidDeadlines()
        ); // P-3
        if (t.feed == 0) {
            require(t.comparator == 0 && t.threshold == 0 && t.triggerBy == 0, InvalidTrigger()); // P-4
            return;
        }
        require(
            t.triggerBy <= t.publishBy + TEN_YEARS
                && t.expiresAt >= uint256(t.triggerBy) + MIN_CLAIM_TIME,
            InvalidDeadlines()
        ); // P-3
        require(
            (t.comparator == 1 || t.comparator == 2) && t.triggerBy > block.timestamp,
            InvalidTrigger()
        ); // P-4
        // Reverts with FeedNotFound.
        FEEDS.getFeed(t.feed);
    }
}

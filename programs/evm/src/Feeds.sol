// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title Feeds: observations of the world, kept for contracts to read
/// @notice A publisher opens a feed and publishes values in the order of their times; the last 64
/// stay readable. Rules are numbered in `programs/SPEC.md`.
/// @dev A value is an integer, `decimals` digits of it behind the point. Times are unix seconds.
contract Feeds {
    /// @notice One value and the time it was observed at.
    struct Observation {
        int128 value;
        uint40 observedAt;
    }

    /// @notice A feed as it stands.
    struct Feed {
        address publisher;
        uint8 decimals;
        /// Seconds within which a new observation is due.
        uint32 heartbeat;
        /// Time of the last observation; 0 without any.
        uint40 lastAt;
        uint64 nonce;
        /// Number of the last event; 0 where there is no feed.
        uint64 seq;
        /// Observations ever: the number of the last one.
        uint64 count;
    }

    uint256 private constant RING = 64;
    uint256 private constant MAX_BATCH = 32;
    /// Clocks differ: an observation may lie this many seconds ahead of the chain's.
    uint256 private constant MAX_AHEAD = 60;
    uint256 private constant MAX_DECIMALS = 38;
    uint256 private constant MAX_TEXT = 700;

    /// @notice Feeds ever opened.
    uint64 public feedCount;
    /// @notice Feeds ever opened by `publisher`: the nonce of the next one.
    mapping(address publisher => uint64) public nonces;
    mapping(bytes32 feed => Feed) private _feeds;
    mapping(bytes32 feed => Observation[RING]) private _rings;

    event FeedOpened(
        bytes32 indexed feed,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        uint8 decimals,
        uint32 heartbeat,
        string name,
        string unit
    );
    event ObservationPublished(
        bytes32 indexed feed,
        uint64 seq,
        address indexed actor,
        uint64 round,
        int128 value,
        uint40 observedAt
    );

    error InvalidHeartbeat();
    error InvalidDecimals();
    error TextTooLong();
    error NotPublisher();
    error InvalidBatch();
    error NotLater();
    error FromFuture();
    error ObservationNotFound();
    error FeedNotFound();

    /// @notice Opens a feed. Anyone may; the caller is its publisher.
    /// @param heartbeat seconds, > 0
    function open(uint8 decimals, uint32 heartbeat, string calldata name, string calldata unit)
        external
        returns (bytes32 feed)
    {
        require(heartbeat > 0, InvalidHeartbeat()); // F-1
        require(decimals <= MAX_DECIMALS, InvalidDecimals()); // F-1
        require(bytes(name).length + bytes(unit).length <= MAX_TEXT, TextTooLong()); // F-1

        uint64 nonce = nonces[msg.sender]++;
        feed = feedId(msg.sender, nonce);
        ++feedCount;
        _feeds[feed] = Feed({
            publisher: msg.sender,
            decimals: decimals,
            heartbeat: heartbeat,
            lastAt: 0,
            nonce: nonce,
            seq: 1,
            count: 0
        });
        emit FeedOpened(feed, 1, msg.sender, nonce, decimals, heartbeat, name, unit);
    }

    /// @notice Adds up to 32 observations, the oldest first. Only the publisher.
    function publish(bytes32 feed, Observation[] calldata observations) external {
        Feed storage f = _feed(feed);
        require(msg.sender == f.publisher, NotPublisher()); // F-2
        require(observations.length > 0 && observations.length <= MAX_BATCH, InvalidBatch()); // F-2

        uint64 seq = f.seq;
        uint64 count = f.count;
        uint40 lastAt = f.lastAt;
        for (uint256 i = 0; i < observations.length; ++i) {
            Observation calldata o = observations[i];
            require(o.observedAt > lastAt, NotLater()); // F-2
            lastAt = o.observedAt;
            _rings[feed][count % RING] = o;
            emit ObservationPublished(feed, ++seq, msg.sender, ++count, o.value, lastAt);
        }
        require(lastAt <= block.timestamp + MAX_AHEAD, FromFuture()); // F-2
        (f.seq, f.count, f.lastAt) = (seq, count, lastAt);
    }

    /// @notice The feed as it stands.
    function getFeed(bytes32 feed) external view returns (Feed memory) {
        return _feed(feed);
    }

    /// @notice Observation number `round`, 1, 2, 3…; only the last 64 are kept.
    function getObservation(bytes32 feed, uint64 round) external view returns (Observation memory) {
        uint64 count = _feed(feed).count;
        require(round > 0 && round <= count && count - round < RING, ObservationNotFound()); // F-3
        return _rings[feed][(round - 1) % RING];
    }

    /// @notice Whether the last observation is older than the heartbeat, or there is none.
    function isStale(bytes32 feed) external view returns (bool) {
        Feed storage f = _feed(feed);
        return f.count == 0 || block.timestamp > uint256(f.lastAt) + f.heartbeat;
    }

    /// @notice Id of the feed that `publisher` opened with `nonce` on this chain and contract.
    function feedId(address publisher, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), publisher, nonce));
    }

    function _feed(bytes32 feed) private view returns (Feed storage f) {
        f = _feeds[feed];
        require(f.seq > 0, FeedNotFound()); // F-5
    }
}

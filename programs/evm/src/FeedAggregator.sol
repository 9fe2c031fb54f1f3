// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Feeds} from "./Feeds.sol";

/// @title What price consumers on EVM chains read, as Chainlink's `AggregatorV3Interface` says it.
interface AggregatorV3Interface {
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
    function version() external view returns (uint256);
    function getRoundData(uint80 round)
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );
    function latestRoundData()
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );
}

/// @title One feed behind AggregatorV3Interface
/// @notice Anyone may deploy one for any feed; it stores nothing and nobody owns it. A reader must
/// compare `updatedAt` with the age it tolerates, as with any aggregator.
contract FeedAggregator is AggregatorV3Interface {
    Feeds public immutable FEEDS;
    bytes32 public immutable FEED;
    uint8 public immutable decimals;
    uint256 public constant version = 1;
    /// @notice What the deployer says the feed is; the feed's own name is in its FeedOpened.
    string public description;

    constructor(Feeds feeds, bytes32 feed, string memory description_) {
        FEEDS = feeds;
        FEED = feed;
        decimals = feeds.getFeed(feed).decimals;
        description = description_;
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(FEEDS.getFeed(FEED).count);
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 round)
        public
        view
        returns (uint80, int256, uint256, uint256, uint80)
    {
        require(round <= type(uint64).max, Feeds.ObservationNotFound()); // F-3
        // forge-lint: disable-next-line(unsafe-typecast)
        Feeds.Observation memory o = FEEDS.getObservation(FEED, uint64(round));
        return (round, o.value, o.observedAt, o.observedAt, round);
    }
}

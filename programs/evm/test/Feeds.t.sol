// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {FeedAggregator} from "../src/FeedAggregator.sol";
import {Feeds} from "../src/Feeds.sol";
import {Test} from "./Test.sol";

/// @title Feeds by the numbers of programs/SPEC.md.
contract FeedsTest is Test {
    uint40 private constant START = 1_800_000_000;
    Feeds private feeds;
    bytes32 private feed;

    function setUp() external {
        vm.warp(START);
        feeds = new Feeds();
        feed = feeds.open(8, 3600, "wheat", "USD/t");
    }

    function test_F1_open_stores_counts_and_emits() external {
        vm.expectEmit();
        emit Feeds.FeedOpened(
            feeds.feedId(address(this), 1), 1, address(this), 1, 2, 60, "rain", "mm"
        );
        bytes32 id = feeds.open(2, 60, "rain", "mm");
        Feeds.Feed memory f = feeds.getFeed(id);
        vm.assertEq(f.publisher, address(this));
        vm.assertEq(f.decimals, 2);
        vm.assertEq(f.heartbeat, 60);
        vm.assertEq(f.seq, 1);
        vm.assertEq(feeds.feedCount(), 2);
    }

    function test_F1_open_refuses() external {
        vm.expectRevert(Feeds.InvalidHeartbeat.selector);
        feeds.open(0, 0, "", "");
        vm.expectRevert(Feeds.InvalidDecimals.selector);
        feeds.open(39, 1, "", "");
        vm.expectRevert(Feeds.TextTooLong.selector);
        feeds.open(38, 1, string(new bytes(700)), "x");
        feeds.open(38, 1, string(new bytes(699)), "x");
    }

    function test_F2_publish_refuses() external {
        vm.prank(address(1));
        vm.expectRevert(Feeds.NotPublisher.selector);
        feeds.publish(feed, batch(1, START));
        vm.expectRevert(Feeds.InvalidBatch.selector);
        feeds.publish(feed, batch(0, START));
        vm.expectRevert(Feeds.InvalidBatch.selector);
        feeds.publish(feed, batch(33, START));
        vm.expectRevert(Feeds.NotLater.selector);
        feeds.publish(feed, batch(1, 0));
        vm.expectRevert(Feeds.FromFuture.selector);
        feeds.publish(feed, batch(1, START + 61));
        feeds.publish(feed, batch(1, START + 60));
        vm.expectRevert(Feeds.NotLater.selector);
        feeds.publish(feed, batch(1, START + 60));
        Feeds.Observation[] memory equal = batch(2, START + 61);
        equal[1].observedAt = equal[0].observedAt;
        vm.warp(START + 99);
        vm.expectRevert(Feeds.NotLater.selector);
        feeds.publish(feed, equal);
    }

    function test_F2_a_batch_has_an_event_each() external {
        vm.expectEmit();
        emit Feeds.ObservationPublished(feed, 2, address(this), 1, -5, START - 1);
        vm.expectEmit();
        emit Feeds.ObservationPublished(feed, 3, address(this), 2, type(int128).min, START);
        Feeds.Observation[] memory two = batch(2, START - 1);
        (two[0].value, two[1].value) = (-5, type(int128).min);
        feeds.publish(feed, two);
        vm.assertEq(feeds.getFeed(feed).seq, 3);
        vm.assertEq(feeds.getFeed(feed).lastAt, START);
    }

    function test_F3_the_last_64_are_kept() external {
        vm.expectRevert(Feeds.ObservationNotFound.selector);
        feeds.getObservation(feed, 0);
        vm.expectRevert(Feeds.ObservationNotFound.selector);
        feeds.getObservation(feed, 1);
        feeds.publish(feed, batch(32, START - 1000));
        feeds.publish(feed, batch(32, START - 900));
        vm.assertEq(feeds.getObservation(feed, 1).observedAt, START - 1000);
        feeds.publish(feed, batch(1, START));
        vm.expectRevert(Feeds.ObservationNotFound.selector);
        feeds.getObservation(feed, 1);
        vm.assertEq(feeds.getObservation(feed, 2).observedAt, START - 999);
        vm.assertEq(feeds.getObservation(feed, 65).observedAt, START);
        vm.expectRevert(Feeds.ObservationNotFound.selector);
        feeds.getObservation(feed, 66);
    }

    function test_F4_stale() external {
        vm.assertTrue(feeds.isStale(feed), "nothing observed");
        feeds.publish(feed, batch(1, START));
        vm.warp(START + 3600);
        vm.assertTrue(!feeds.isStale(feed), "within heartbeat");
        vm.warp(START + 3601);
        vm.assertTrue(feeds.isStale(feed), "past heartbeat");
        // A heartbeat that is longer than the chain's time is no observation.
        bytes32 patient = feeds.open(8, type(uint32).max, "", "");
        vm.assertTrue(feeds.isStale(patient), "nothing observed, 136 years allowed");
    }

    function test_F5_no_feed() external {
        vm.expectRevert(Feeds.FeedNotFound.selector);
        feeds.publish("none", batch(1, START));
        vm.expectRevert(Feeds.FeedNotFound.selector);
        feeds.getFeed("none");
        vm.expectRevert(Feeds.FeedNotFound.selector);
        feeds.getObservation("none", 1);
        vm.expectRevert(Feeds.FeedNotFound.selector);
        new FeedAggregator(feeds, "none", "");
    }

    function test_F5_aggregator_answers() external {
        FeedAggregator aggregator = new FeedAggregator(feeds, feed, "wheat, USD/t");
        vm.assertEq(aggregator.decimals(), 8);
        vm.expectRevert(Feeds.ObservationNotFound.selector);
        aggregator.latestRoundData();
        feeds.publish(feed, batch(3, START - 10));
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            aggregator.latestRoundData();
        vm.assertEq(round, 3);
        vm.assertTrue(answer == 2, "answer");
        vm.assertEq(startedAt, START - 8);
        vm.assertEq(updatedAt, START - 8);
        vm.assertEq(answeredIn, 3);
        // Not the round of the same low bits.
        vm.expectRevert(Feeds.ObservationNotFound.selector);
        aggregator.getRoundData((1 << 64) + 3);
    }

    function test_gas() external {
        feeds.publish(feed, batch(1, START));
        vm.snapshotGasLastCall("Feeds", "publish, first");
        vm.warp(START + 1000);
        feeds.publish(feed, batch(32, START + 1));
        feeds.publish(feed, batch(32, START + 100));
        vm.snapshotGasLastCall("Feeds", "publish, 32");
        feeds.publish(feed, batch(1, START + 200));
        vm.snapshotGasLastCall("Feeds", "publish, ring full");
    }

    /// `count` observations a second apart, of values 0, 1, 2…
    function batch(uint256 count, uint40 from)
        private
        pure
        returns (Feeds.Observation[] memory observations)
    {
        observations = new Feeds.Observation[](count);
        for (uint256 i = 0; i < count; i++) {
            observations[i] = Feeds.Observation(int128(int256(i)), uint40(from + i));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {PlainEscrow} from "benchmarks/PlainEscrow.sol";
import {PlainVault} from "benchmarks/PlainVault.sol";
import {Test} from "./Test.sol";
import {TestToken} from "./tokens/TestToken.sol";

/// @title Gas of what the programs are measured against, with the same token and amounts.
contract AnchorsTest is Test {
    address private constant SELLER = address(0x5E11E4);
    address private constant BUYER = address(0xB0B);

    function test_gas() external {
        TestToken token = new TestToken();
        escrow(token);
        vault(token);
    }

    function escrow(TestToken token) private {
        PlainEscrow peer = new PlainEscrow();
        provide(token, SELLER, address(peer));
        provide(token, BUYER, address(peer));
        // The first of a contract writes its counter.
        for (uint256 i = 0; i < 2; i++) {
            PlainEscrow.Deal memory deal;
            (deal.seller, deal.buyer, deal.arbiter) = (SELLER, BUYER, address(0xA4B));
            (deal.token, deal.price, deal.margin) = (token, 1000, 101);
            (deal.deadline, deal.terms) = (block.timestamp + 1, "terms");
            vm.prank(SELLER);
            peer.propose(deal);
        }
        vm.snapshotGasLastCall("Anchors", "plain escrow, propose");
        vm.prank(BUYER);
        peer.sign(1);
        vm.snapshotGasLastCall("Anchors", "plain escrow, sign");
        vm.prank(BUYER);
        peer.fund(1);
        vm.snapshotGasLastCall("Anchors", "plain escrow, fund, buyer");
        vm.prank(SELLER);
        peer.fund(1);
        vm.snapshotGasLastCall("Anchors", "plain escrow, fund, seller");
        vm.prank(BUYER);
        peer.release(1, 1101);
        vm.snapshotGasLastCall("Anchors", "plain escrow, release");
        peer.withdraw(1, SELLER);
        vm.snapshotGasLastCall("Anchors", "plain escrow, withdraw");
    }

    function vault(TestToken token) private {
        PlainVault peer = new PlainVault(token);
        provide(token, SELLER, address(peer));
        provide(token, BUYER, address(peer));
        vm.prank(SELLER);
        peer.deposit(1000, SELLER);
        vm.prank(BUYER);
        peer.deposit(1000, BUYER);
        vm.snapshotGasLastCall("Anchors", "ERC-4626 vault, deposit, new share");
        vm.prank(BUYER);
        peer.deposit(1000, BUYER);
        vm.snapshotGasLastCall("Anchors", "ERC-4626 vault, deposit, same share");
        vm.prank(BUYER);
        peer.redeem(2000, BUYER, BUYER);
        vm.snapshotGasLastCall("Anchors", "ERC-4626 vault, redeem");
    }

    function provide(TestToken token, address to, address spender) private {
        token.mint(to, 1_000_000);
        vm.prank(to);
        token.approve(spender, type(uint256).max);
    }
}

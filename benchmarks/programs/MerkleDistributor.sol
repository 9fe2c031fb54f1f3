// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title The least that a Merkle distribution can be, to measure Payouts against
/// @notice In the manner of Uniswap's merkle-distributor: token and root fixed at deployment, one
/// bit per index, one event; no deadlines, totals, refunds or counters. Not for use.
contract MerkleDistributor {
    using SafeERC20 for IERC20;

    IERC20 public immutable TOKEN;
    bytes32 public immutable ROOT;
    mapping(uint256 word => uint256) private _claimed;

    event Claimed(uint256 index, address account, uint256 amount);

    error AlreadyClaimed();
    error InvalidProof();

    constructor(IERC20 token, bytes32 root) {
        (TOKEN, ROOT) = (token, root);
    }

    function isClaimed(uint256 index) public view returns (bool) {
        uint256 mask = 1 << (index % 256);
        return _claimed[index / 256] & mask == mask;
    }

    function claim(uint256 index, address account, uint256 amount, bytes32[] calldata proof)
        external
    {
        require(!isClaimed(index), AlreadyClaimed());
        bytes32 node = keccak256(abi.encodePacked(index, account, amount));
        require(MerkleProof.verify(proof, ROOT, node), InvalidProof());
        _claimed[index / 256] |= 1 << (index % 256);
        TOKEN.safeTransfer(account, amount);
        emit Claimed(index, account, amount);
    }
}

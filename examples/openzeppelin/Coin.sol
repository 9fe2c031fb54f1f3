// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @notice OpenZeppelin's ERC-20 as it is, with a supply for whoever deploys it.
contract Coin is ERC20("Coin", "COIN") {
    constructor() {
        _mint(msg.sender, 1_000_000 ether);
    }
}

/// @notice OpenZeppelin's ERC-721 as it is; anyone may mint.
contract Card is ERC721("Card", "CARD") {
    uint256 private _last;

    function mint(address to) external {
        _mint(to, ++_last);
    }
}

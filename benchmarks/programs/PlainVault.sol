// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626, IERC20} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// @title OpenZeppelin's tokenised vault (ERC-4626) as it comes, to measure Bets against
/// @notice Money in for a share, a share for money out: what placing a bet and claiming do at
/// least. Not for use.
contract PlainVault is ERC4626 {
    constructor(IERC20 token) ERC20("Plain vault", "PLAIN") ERC4626(token) {}
}

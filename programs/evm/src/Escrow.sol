// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Tokens in and out of a contract that holds other people's money.
/// @notice Whatever the token does, a debt is written only for tokens that arrived.
abstract contract Escrow is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// There is no code at the token's address.
    error InvalidToken();
    /// The balance grew by another amount than was sent: a token that takes a fee, or rebases.
    error FeeOnTransfer();

    /// @dev Takes exactly `amount` of `token` from `from`.
    /// Guarded, because the check reads a balance before and after: were another deposit able to
    /// run in between (a token that calls its sender), one transfer could pay for both.
    /// Callers write their effects first all the same.
    function _pull(IERC20 token, address from, uint256 amount) internal nonReentrant {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        require(token.balanceOf(address(this)) == before + amount, FeeOnTransfer()); // G-2
    }

    /// @dev Pays `amount` of `token` to `to`. Callers have taken the debt off their books before.
    function _push(IERC20 token, address to, uint256 amount) internal {
        token.safeTransfer(to, amount);
    }

    /// @dev Uses the owner's EIP-2612 permit where it still holds. Anyone may submit a permit they
    /// saw in the mempool, so a refused one is no reason to stop: the transfer that follows
    /// succeeds exactly when the allowance is there.
    function _permit(
        IERC20 token,
        address owner,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) internal {
        // A call to an address without code would revert here, and say nothing.
        require(address(token).code.length > 0, InvalidToken()); // X-3
        try IERC20Permit(address(token)).permit(owner, address(this), amount, deadline, v, r, s) {}
            catch {}
    }
}

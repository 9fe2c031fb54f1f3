// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title Calls of several accounts in one transaction, for tests that make very many.
contract Replay {
    Stand[] public stands;

    /// The call went through where `error` is 0.
    event Answered(bytes4 error);

    constructor(uint256 count) {
        for (uint256 i = 0; i < count; i++) {
            stands.push(new Stand());
        }
    }

    /// @notice Account `who[i]` makes `calls[i]` to `to`; a refused one stops nothing.
    function run(address to, uint8[] calldata who, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; i++) {
            (bool ok, bytes memory answer) = stands[who[i]].act(to, calls[i]);
            emit Answered(ok ? bytes4(0) : bytes4(answer));
        }
    }
}

/// @title An account that does what it is told.
contract Stand {
    function act(address to, bytes calldata call) external returns (bool, bytes memory) {
        return to.call(call);
    }
}

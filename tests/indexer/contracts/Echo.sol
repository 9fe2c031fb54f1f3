// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice Logs whatever bytes it is given, under the topic that it is given.
contract Echo {
    function say(bytes32 topic, bytes calldata data) external {
        assembly {
            calldatacopy(0, data.offset, data.length)
            log1(0, data.length, topic)
        }
    }
}

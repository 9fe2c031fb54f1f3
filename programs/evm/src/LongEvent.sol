// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title Events of more fields than `emit` can put on the EVM's stack.
/// @dev `emit` wants all values on the stack at once, of which the compiler reaches sixteen. The
/// encoding of a struct with dynamic members is that of its members in a row, after one word that
/// says where it begins: exactly an event's data.
library LongEvent {
    /// @dev Logs an event with two indexed fields.
    /// @param encoded `abi.encode` of a struct that holds the other fields in the event's order, at
    /// least one of them a string, bytes or an array
    function log(bytes32 selector, bytes32 entity, address actor, bytes memory encoded) internal {
        assembly ("memory-safe") {
            log3(add(encoded, 64), sub(mload(encoded), 32), selector, entity, actor)
        }
    }
}

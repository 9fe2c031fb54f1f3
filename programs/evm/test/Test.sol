// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title The cheatcodes of forge that these tests use.
/// @dev The whole list: https://getfoundry.sh/reference/cheatcodes/overview
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function assertEq(uint256 a, uint256 b) external pure;
    function assertEq(uint256 a, uint256 b, string calldata what) external pure;
    function assertEq(address a, address b) external pure;
    function assertEq(bytes32 a, bytes32 b) external pure;
    function assertEq(bytes calldata a, bytes calldata b) external pure;
    function assertGe(uint256 a, uint256 b, string calldata what) external pure;
    function assertLe(uint256 a, uint256 b, string calldata what) external pure;
    function assertTrue(bool holds, string calldata what) external pure;
    function assume(bool) external pure;
    function chainId(uint256) external;
    function deployCode(string calldata what) external returns (address);
    function etch(address, bytes calldata code) external;
    function expectEmit() external;
    function expectRevert(bytes4) external;
    function expectRevert(bytes calldata) external;
    function expectRevert() external;
    function getRecordedLogs() external returns (Log[] memory);
    function prank(address) external;
    function recordLogs() external;
    function roll(uint256) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function snapshotGasLastCall(string calldata group, string calldata name)
        external
        returns (uint256);
    function store(address, bytes32 slot, bytes32 value) external;
    function warp(uint256) external;
}

/// @title What a test contract and an invariant handler need, without forge-std.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    // forge asks a test contract for these.
    bool public constant IS_TEST = true;
    address[] private _targets;

    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    /// Invariant runs call this contract's functions and no other's.
    function target(address handler) internal {
        _targets.push(handler);
    }

    /// `x` folded into `low`..`high`, both included.
    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        if (x >= low && x <= high) return x;
        uint256 size = high - low + 1;
        return size == 0 ? x : low + x % size;
    }

    function actor(string memory name) internal pure returns (address) {
        return address(uint160(uint256(keccak256(bytes(name)))));
    }
}

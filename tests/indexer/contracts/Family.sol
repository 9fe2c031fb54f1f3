// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice A child of a child: it speaks as it is made, and when it is told to.
contract Leaf {
    event Pinged(uint256 indexed number);

    constructor(uint256 number) {
        emit Pinged(number);
    }

    function ping(uint256 number) external {
        emit Pinged(number);
    }
}

/// @notice A child that makes children.
contract Branch {
    event LeafMade(address indexed leaf, uint256 number);
    event Waved(uint256 number);

    Leaf[] public leaves;

    function grow(uint256 number) public returns (Leaf leaf) {
        leaf = new Leaf(number);
        leaves.push(leaf);
        emit LeafMade(address(leaf), number);
    }

    function wave(uint256 number) external {
        emit Waved(number);
    }

    /// @notice Announces whatever it is told to.
    function claim(address leaf) external {
        emit LeafMade(leaf, 0);
    }
}

/// @notice A factory of factories. The address comes after a dynamic field and a static array.
contract Root {
    event BranchMade(string note, uint256[2] pair, address branch);

    Branch[] public branches;

    function plant(string memory note) public returns (Branch branch) {
        branch = new Branch();
        branches.push(branch);
        emit BranchMade(note, [uint256(1), 2], address(branch));
    }

    /// @notice Three generations in one transaction, each speaking at once.
    function dynasty(uint256 number) external {
        Branch branch = plant("dynasty");
        branch.wave(number);
        branch.grow(number).ping(number);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

interface ITestToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IBets {
    function place(bytes32 market, uint8 outcome, uint120 amount) external;
}

/// @title A bettor that places many bets in one transaction, to make long histories fast.
contract Crowd {
    IBets private immutable BETS;

    constructor(IBets bets, ITestToken token) {
        BETS = bets;
        token.mint(address(this), type(uint120).max / 1e9);
        token.approve(address(bets), type(uint256).max);
    }

    /// @notice Places `count` bets, numbered from `from`: they take turns among `markets` and,
    /// with each turn, among `outcomes`. Amounts are 1 USDC and some.
    function bet(bytes32[] calldata markets, uint256 outcomes, uint256 from, uint256 count)
        external
    {
        for (uint256 i = from; i < from + count; ++i) {
            uint8 outcome = uint8(i / markets.length % outcomes);
            BETS.place(markets[i % markets.length], outcome, uint120(1e6 + i % 997));
        }
    }
}

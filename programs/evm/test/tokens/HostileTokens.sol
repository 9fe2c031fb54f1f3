// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token of the ordinary kind, for the hostile ones to start from.
contract PlainToken is ERC20 {
    constructor() ERC20("Token", "TKN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @title Keeps `fee` units of every transfer between accounts.
contract FeeToken is PlainToken {
    uint256 public fee = 1;

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, value);
        super._update(from, to, value - fee);
        super._update(from, address(0), fee);
    }
}

/// @title Delivers more than was sent.
contract BonusToken is PlainToken {
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        _mint(to, 1);
        return super.transferFrom(from, to, value);
    }
}

/// @title Says false instead of reverting, and moves nothing.
contract FalseToken is PlainToken {
    bool public refuse = true;

    function setRefuse(bool refuse_) external {
        refuse = refuse_;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !refuse && super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !refuse && super.transferFrom(from, to, value);
    }
}

/// @title Answers nothing at all, as some early tokens do, and works.
contract SilentToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @title Refuses to move anything from or to the blocked.
contract BlockingToken is PlainToken {
    mapping(address => bool) public blocked;

    error Blocked(address account);

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!blocked[from], Blocked(from));
        require(!blocked[to], Blocked(to));
        super._update(from, to, value);
    }
}

/// @title Calls sender and receiver on every transfer, as ERC-777 does.
contract HookToken is PlainToken {
    mapping(address => bool) public hooked;
    uint256 public fee;

    function setHooked(address account, bool hooked_) external {
        hooked[account] = hooked_;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, value);
        if (hooked[from]) ITransferHook(from).onTransfer();
        super._update(from, to, value - fee);
        if (fee > 0) super._update(from, address(0), fee);
        if (hooked[to]) ITransferHook(to).onTransfer();
    }
}

/// @title What a HookToken calls.
interface ITransferHook {
    function onTransfer() external;
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title A contract wallet that signs by ERC-1271 what its owner signed.
contract Wallet {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata sig) external view returns (bytes4) {
        address signer = ecrecover(digest, uint8(sig[64]), bytes32(sig[0:32]), bytes32(sig[32:64]));
        return signer == OWNER ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @title A contract wallet that signs anything, once the call that it makes first went through.
contract CallingWallet {
    address private _to;
    bytes private _call;

    function plan(address to, bytes calldata call) external {
        (_to, _call) = (to, call);
    }

    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        bytes memory call = _call;
        if (call.length > 0) {
            _call = "";
            (bool ok,) = _to.call(call);
            require(ok);
        }
        return this.isValidSignature.selector;
    }
}

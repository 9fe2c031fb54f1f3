// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Registry} from "../src/Registry.sol";
import {Test, Vm} from "./Test.sol";

/// @title The invariants K-1 to K-4 of registry, over any order of calls.
contract RegistryInvariants is Test {
    Officials private officials;
    Registry private registry;

    function setUp() external {
        vm.warp(1_800_000_000);
        officials = new Officials();
        registry = officials.registry();
        target(address(officials));
    }

    /// One campaign for all: forge would run one for each.
    function invariant_K1_to_K4() external view {
        uint256 attestations = officials.attestationCount();
        uint256 scopes = officials.scopeCount();
        for (uint256 i = 0; i < scopes; i++) {
            bytes32 scope = officials.scopes(i);
            uint256 admins;
            for (uint256 n = 0; n < officials.ACTORS(); n++) {
                address account = officials.actorAt(n);
                uint256 held;
                for (uint8 role = 0; role <= 5; role++) {
                    if (registry.hasRole(scope, account, Registry.Role(role))) held |= 1 << role;
                }
                vm.assertEq(held, officials.said(scope, account), "K-2 what the events say");
                admins += held & 1;
            }
            vm.assertEq(registry.getScope(scope).admins, admins, "K-1 admins");
            vm.assertTrue(admins >= 1, "K-1 no scope without an admin");
            vm.assertEq(registry.getScope(scope).seq, officials.events(scope), "K-4 seq");
        }
        uint256 profiles;
        for (uint256 n = 0; n < officials.ACTORS(); n++) {
            address wallet = officials.actorAt(n);
            uint256 linked;
            for (uint256 k = 0; k < officials.ACTORS(); k++) {
                if (registry.linkedTo(officials.actorAt(k)) == wallet) ++linked;
            }
            if (officials.events(bytes32(uint256(uint160(wallet)))) == 0) {
                vm.assertEq(linked, 0, "K-3 none without a profile");
                continue;
            }
            ++profiles;
            Registry.Profile memory p = registry.getProfile(wallet);
            vm.assertEq(p.linked, linked, "K-3 linked");
            vm.assertEq(p.seq, officials.events(bytes32(uint256(uint160(wallet)))), "K-4 profile");
        }
        vm.assertEq(registry.entityCount(), scopes + profiles + attestations, "K-4 entities");
    }
}

/// Calls registry as four people would, right and wrong, and keeps what its events say.
contract Officials is Test {
    uint256 public constant ACTORS = 4;
    Registry public immutable registry;
    /// Their keys are 1, 2, 3…; to derive an address takes forge longer than all else here.
    address[] private actors;
    bytes32[] public scopes;
    bytes32[] public attestations;
    /// Events of an entity; a profile's is its wallet.
    mapping(bytes32 entity => uint256) public events;
    /// Who holds what, by the events alone: a bit for each role.
    mapping(bytes32 scope => mapping(address account => uint256)) public said;

    constructor() {
        for (uint256 n = 0; n < ACTORS; n++) {
            actors.push(vm.addr(1 + n));
        }
        vm.recordLogs();
        registry = new Registry(actorAt(0));
        take();
    }

    function scopeCount() external view returns (uint256) {
        return scopes.length;
    }

    function attestationCount() external view returns (uint256) {
        return attestations.length;
    }

    function actorAt(uint256 n) public view returns (address) {
        return actors[n % ACTORS];
    }

    function openScope(uint256 by) external {
        if (scopes.length < 3) attempt(by, abi.encodeCall(Registry.openScope, ("project")));
    }

    /// More often than others, of few roles, or scopes would hardly change hands.
    function grant(uint256 by, uint256 which, uint256 account, uint8 role) external {
        bytes memory call =
            abi.encodeCall(Registry.grant, (scope(which), actorAt(account), role % 7));
        attempt(by, call);
    }

    function grantAdmin(uint256 by, uint256 which, uint256 account) external {
        attempt(by, abi.encodeCall(Registry.grant, (scope(which), actorAt(account), 0)));
    }

    function revoke(uint256 by, uint256 which, uint256 account, uint8 role) external {
        bytes memory call =
            abi.encodeCall(Registry.revoke, (scope(which), actorAt(account), role % 7));
        attempt(by, call);
    }

    function revokeAdmin(uint256 by, uint256 which, uint256 account) external {
        bytes32 id = scope(which);
        bool admin = said[id][actorAt(by)] & 1 != 0;
        bool last = registry.getScope(id).admins == 1;
        bytes memory call = abi.encodeCall(Registry.revoke, (id, actorAt(account), 0));
        bool ok = attempt(by, call);
        vm.assertTrue(!ok || (admin && !last), "K-1 by an admin, not the last one");
    }

    function setProfile(uint256 by) external {
        attempt(by, abi.encodeCall(Registry.setProfile, ("metadata", "handle", "cid")));
    }

    function link(uint256 by, uint256 wallet) external {
        address profile = actorAt(by);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("chainfold registry"),
                keccak256("1"),
                block.chainid,
                address(registry)
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Link(address profile,address wallet,uint256 nonce,uint256 deadline)"),
                profile,
                actorAt(wallet),
                registry.nonces(actorAt(wallet)),
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(1 + wallet % ACTORS, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        bytes memory signature = abi.encodePacked(r, s, v);
        attempt(by, abi.encodeCall(Registry.link, (actorAt(wallet), block.timestamp, signature)));
    }

    function unlink(uint256 by, uint256 wallet) external {
        attempt(by, abi.encodeCall(Registry.unlink, (actorAt(wallet))));
    }

    function attest(uint256 by, uint256 which) external {
        bytes32 id = scope(which);
        bool issuer = said[id][actorAt(by)] & (1 << 4) != 0;
        bytes memory call = abi.encodeCall(
            Registry.attest, (id, actorAt(0), 1, "digest", uint40(block.timestamp + 1))
        );
        bool ok = attempt(by, call);
        vm.assertTrue(ok == issuer, "R-10 issuers, and only they");
    }

    function revokeAttestation(uint256 by, uint256 which) external {
        if (attestations.length == 0) return;
        bytes32 id = attestations[which % attestations.length];
        attempt(by, abi.encodeCall(Registry.revokeAttestation, (id)));
    }

    function announce(uint256 by, uint256 which) external {
        attempt(by, abi.encodeCall(Registry.announce, (scope(which), "digest", "", "")));
    }

    function scope(uint256 which) private view returns (bytes32) {
        return scopes[which % scopes.length];
    }

    function attempt(uint256 by, bytes memory call) private returns (bool ok) {
        vm.recordLogs();
        vm.prank(actorAt(by));
        (ok,) = address(registry).call(call);
        // forge hands out the logs of what was reverted, too.
        if (ok) take();
        else vm.getRecordedLogs();
    }

    /// Counts the events, and writes down who holds what.
    function take() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(registry)) continue;
            bytes32 entity = logs[i].topics[1];
            // Every event begins with its seq.
            (uint64 seq) = abi.decode(logs[i].data, (uint64));
            vm.assertEq(seq, ++events[entity], "K-4 no hole");
            bytes32 kind = logs[i].topics[0];
            if (kind == Registry.ScopeOpened.selector) scopes.push(entity);
            if (kind == Registry.AttestationIssued.selector) attestations.push(entity);
            if (kind == Registry.RoleGranted.selector || kind == Registry.RoleRevoked.selector) {
                (, uint8 role, bool heldAfter) = abi.decode(logs[i].data, (uint64, uint8, bool));
                address account = address(uint160(uint256(logs[i].topics[3])));
                if (heldAfter) said[entity][account] |= 1 << role;
                else said[entity][account] &= ~(uint256(1) << role);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Registry} from "../src/Registry.sol";
import {Test, Vm} from "./Test.sol";

/// @title Registry by the numbers of programs/SPEC.md.
contract RegistryTest is Test {
    uint40 private constant START = 1_800_000_000;
    uint256 private constant WALLET_KEY = 0x3A1;
    uint8 private constant ADMIN = 0;
    uint8 private constant OPERATOR = 1;
    uint8 private constant KYC_ISSUER = 4;
    uint8 private constant VENDOR = 5;

    address private constant ROOT = address(0x2007);
    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    address private constant CAROL = address(0xCA201);
    address private immutable WALLET = vm.addr(WALLET_KEY);

    Registry private registry;
    bytes32 private global;
    bytes32 private scope;

    function setUp() external {
        vm.warp(START);
        registry = new Registry(ROOT);
        global = registry.GLOBAL();
        vm.prank(ALICE);
        scope = registry.openScope("project");
    }

    // ── the first admin

    function test_R1_the_constructor_names_the_first_admin() external {
        vm.expectRevert(Registry.ZeroAddress.selector);
        new Registry(address(0));
        vm.recordLogs();
        Registry made = new Registry(ROOT);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2);
        bytes32 id = keccak256(abi.encode(block.chainid, address(made), address(0), uint64(0)));
        vm.assertEq(made.GLOBAL(), id);
        vm.assertEq(logs[0].topics[0], Registry.ScopeOpened.selector);
        vm.assertEq(logs[0].topics[1], id);
        vm.assertEq(logs[0].data, abi.encode(1, 0, Registry.Kind.Global, bytes32(0)));
        vm.assertEq(logs[1].topics[0], Registry.RoleGranted.selector);
        vm.assertEq(logs[1].topics[3], bytes32(uint256(uint160(ROOT))));
        vm.assertEq(logs[1].data, abi.encode(2, Registry.Role.Admin, true, 1));
        vm.assertTrue(made.hasRole(id, ROOT, Registry.Role.Admin), "root");
        vm.assertTrue(!made.hasRole(id, address(this), Registry.Role.Admin), "the deployer");
        vm.assertEq(made.entityCount(), 1);
        Registry.Scope memory s = made.getScope(id);
        vm.assertEq(s.admins, 1);
        vm.assertEq(s.seq, 2);
        vm.assertEq(s.creator, address(0));
        vm.assertEq(uint256(s.kind), 0);
    }

    // ── scopes and roles

    function test_R2_open_scope_stores_counts_and_emits() external {
        bytes32 id = registry.entityId(BOB, 0);
        vm.expectEmit();
        emit Registry.ScopeOpened(id, 1, BOB, 0, Registry.Kind.Project, "farm");
        vm.expectEmit();
        emit Registry.RoleGranted(id, 2, BOB, BOB, Registry.Role.Admin, true, 1);
        vm.prank(BOB);
        vm.assertEq(registry.openScope("farm"), id);
        Registry.Scope memory s = registry.getScope(id);
        vm.assertEq(s.creator, BOB);
        vm.assertEq(s.subject, "farm");
        vm.assertEq(uint256(s.kind), 1);
        vm.assertEq(s.admins, 1);
        vm.assertEq(s.seq, 2);
        vm.assertEq(registry.entityCount(), 3);
        vm.assertEq(registry.created(BOB), 1);
        vm.prank(BOB);
        vm.assertTrue(registry.openScope("farm") != id, "id used twice");
    }

    function test_R3_R4_grant_and_revoke_each_role() external {
        for (uint8 role = 0; role <= VENDOR; role++) {
            uint32 admins = role == ADMIN ? 2 : 1;
            uint64 seq = registry.getScope(scope).seq;
            vm.expectEmit();
            emit Registry.RoleGranted(scope, seq + 1, ALICE, BOB, Registry.Role(role), true, admins);
            grant(ALICE, BOB, role);
            vm.assertTrue(registry.hasRole(scope, BOB, Registry.Role(role)), "held");
            vm.prank(ALICE);
            vm.expectRevert(Registry.AlreadyGranted.selector);
            registry.grant(scope, BOB, role);
            vm.expectEmit();
            emit Registry.RoleRevoked(scope, seq + 2, ALICE, BOB, Registry.Role(role), false, 1);
            vm.prank(ALICE);
            registry.revoke(scope, BOB, role);
            vm.assertTrue(!registry.hasRole(scope, BOB, Registry.Role(role)), "revoked");
            vm.prank(ALICE);
            vm.expectRevert(Registry.NotGranted.selector);
            registry.revoke(scope, BOB, role);
        }
    }

    function test_R3_R4_R5_only_admins_and_only_in_their_scope() external {
        vm.prank(BOB);
        registry.openScope("another");
        for (uint8 role = 1; role <= VENDOR; role++) {
            grant(ALICE, CAROL, role);
        }
        address[4] memory others = [BOB, CAROL, ROOT, address(this)];
        for (uint256 i = 0; i < others.length; i++) {
            vm.prank(others[i]);
            vm.expectRevert(Registry.NotAdmin.selector);
            registry.grant(scope, BOB, OPERATOR);
            vm.prank(others[i]);
            vm.expectRevert(Registry.NotAdmin.selector);
            registry.revoke(scope, CAROL, OPERATOR);
            vm.prank(others[i]);
            vm.expectRevert(Registry.NotAdmin.selector);
            registry.announce(scope, "", "", "");
        }
        vm.prank(ALICE);
        vm.expectRevert(Registry.NotAdmin.selector);
        registry.grant(global, ALICE, ADMIN);
        vm.prank(ALICE);
        vm.expectRevert(Registry.NotAdmin.selector);
        registry.grant("none", ALICE, ADMIN);
    }

    function test_R3_there_is_no_role_for_who_receives_aid() external {
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidRole.selector);
        registry.grant(scope, BOB, VENDOR + 1);
        vm.prank(ALICE);
        vm.expectRevert(Registry.ZeroAddress.selector);
        registry.grant(scope, address(0), VENDOR);
        vm.prank(ALICE);
        vm.expectRevert(Registry.NotGranted.selector);
        registry.revoke(scope, BOB, VENDOR + 1);
    }

    function test_R4_the_last_admin_stays() external {
        vm.prank(ALICE);
        vm.expectRevert(Registry.LastAdmin.selector);
        registry.revoke(scope, ALICE, ADMIN);
        grant(ALICE, BOB, ADMIN);
        vm.prank(ALICE);
        registry.revoke(scope, ALICE, ADMIN);
        vm.prank(ALICE);
        vm.expectRevert(Registry.NotAdmin.selector);
        registry.revoke(scope, BOB, ADMIN);
        vm.prank(BOB);
        vm.expectRevert(Registry.LastAdmin.selector);
        registry.revoke(scope, BOB, ADMIN);
    }

    function test_R5_announce() external {
        vm.expectEmit();
        emit Registry.Announced(scope, 3, ALICE, "digest", "bafy", "Rain is late");
        vm.prank(ALICE);
        registry.announce(scope, "digest", "bafy", "Rain is late");
        vm.prank(ALICE);
        vm.expectRevert(Registry.TextTooLong.selector);
        registry.announce(scope, "", string(new bytes(300)), string(new bytes(401)));
        vm.prank(ALICE);
        registry.announce(scope, "", string(new bytes(300)), string(new bytes(400)));
    }

    // ── profiles

    function test_R6_set_profile() external {
        vm.expectEmit();
        emit Registry.ProfileSet(ALICE, 1, ALICE, "one", Registry.ProfileStatus.New, "al", "bafy");
        setProfile(ALICE, "one");
        vm.prank(ROOT);
        registry.setProfileStatus(ALICE, 1);
        vm.expectEmit();
        emit Registry.ProfileSet(
            ALICE, 3, ALICE, "two", Registry.ProfileStatus.Verified, "al", "bafy"
        );
        setProfile(ALICE, "two");
        Registry.Profile memory p = registry.getProfile(ALICE);
        vm.assertEq(p.metadata, "two");
        vm.assertEq(p.seq, 3);
        vm.assertEq(uint256(p.status), 1);
        vm.assertEq(registry.entityCount(), 3);
        vm.expectRevert(Registry.TextTooLong.selector);
        registry.setProfile("", string(new bytes(300)), string(new bytes(401)));
        registry.setProfile("", string(new bytes(300)), string(new bytes(400)));
    }

    function test_R7_link_by_both_signatures() external {
        setProfile(ALICE, "one");
        bytes memory signature = signed(ALICE, 0, START);
        vm.expectEmit();
        emit Registry.WalletLinked(ALICE, 2, ALICE, WALLET, 1);
        vm.prank(ALICE);
        registry.link(WALLET, START, signature);
        vm.assertEq(registry.linkedTo(WALLET), ALICE);
        vm.assertEq(registry.getProfile(ALICE).linked, 1);
        bytes memory again = signed(ALICE, 1, START);
        vm.prank(ALICE);
        vm.expectRevert(Registry.AlreadyLinked.selector);
        registry.link(WALLET, START, again);
        vm.prank(WALLET);
        registry.unlink(WALLET);
        // Used up, though nothing is linked any more.
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidSignature.selector);
        registry.link(WALLET, START, signature);
        // What was refused took no nonce.
        vm.prank(ALICE);
        registry.link(WALLET, START, again);
    }

    function test_R7_link_refuses() external {
        bytes memory signature = signed(ALICE, 0, START);
        vm.prank(ALICE);
        vm.expectRevert(Registry.ProfileNotFound.selector);
        registry.link(WALLET, START, signature);
        setProfile(ALICE, "one");
        setProfile(BOB, "two");
        // Signed for alice's profile, not for bob's.
        vm.prank(BOB);
        vm.expectRevert(Registry.InvalidSignature.selector);
        registry.link(WALLET, START, signature);
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidSignature.selector);
        registry.link(CAROL, START, signature);
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidSignature.selector);
        registry.link(WALLET, START + 1, signature);
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidSignature.selector);
        registry.link(WALLET, START, "");
        vm.warp(START + 1);
        vm.prank(ALICE);
        vm.expectRevert(Registry.SignatureExpired.selector);
        registry.link(WALLET, START, signature);
        // Another chain, another contract.
        vm.warp(START);
        Registry other = new Registry(ROOT);
        vm.prank(ALICE);
        other.setProfile("", "", "");
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidSignature.selector);
        other.link(WALLET, START, signature);
        vm.chainId(2);
        vm.prank(ALICE);
        vm.expectRevert(Registry.InvalidSignature.selector);
        registry.link(WALLET, START, signature);
    }

    function test_R7_own_wallet() external {
        setProfile(WALLET, "self");
        bytes memory signature = signed(WALLET, 0, START);
        vm.prank(WALLET);
        vm.expectRevert(Registry.InvalidWallet.selector);
        registry.link(WALLET, START, signature);
    }

    function test_R8_unlink_by_either() external {
        setProfile(ALICE, "one");
        vm.expectRevert(Registry.NotLinked.selector);
        registry.unlink(WALLET);
        linkWallet(0);
        vm.prank(BOB);
        vm.expectRevert(Registry.NotParty.selector);
        registry.unlink(WALLET);
        vm.expectEmit();
        emit Registry.WalletUnlinked(ALICE, 3, WALLET, WALLET, 0);
        vm.prank(WALLET);
        registry.unlink(WALLET);
        vm.assertEq(registry.linkedTo(WALLET), address(0));
        linkWallet(1);
        vm.prank(ALICE);
        registry.unlink(WALLET);
        vm.assertEq(registry.getProfile(ALICE).linked, 0);
    }

    function test_R9_status_by_global_admins_only() external {
        vm.prank(ROOT);
        vm.expectRevert(Registry.ProfileNotFound.selector);
        registry.setProfileStatus(BOB, 1);
        setProfile(BOB, "one");
        vm.prank(ALICE);
        vm.expectRevert(Registry.NotAdmin.selector);
        registry.setProfileStatus(BOB, 1);
        vm.prank(ROOT);
        vm.expectRevert(Registry.InvalidStatus.selector);
        registry.setProfileStatus(BOB, 3);
        vm.expectEmit();
        emit Registry.ProfileStatusSet(BOB, 2, ROOT, Registry.ProfileStatus.Suspended);
        vm.prank(ROOT);
        registry.setProfileStatus(BOB, 2);
    }

    // ── attestations

    function test_R10_attest() external {
        grant(ALICE, CAROL, KYC_ISSUER);
        bytes32 id = registry.entityId(CAROL, 0);
        vm.expectEmit();
        emit Registry.AttestationIssued(id, 1, CAROL, 0, scope, BOB, 300, "digest", START + 10);
        vm.assertEq(attest(), id);
        Registry.Attestation memory a = registry.getAttestation(id);
        vm.assertEq(a.issuer, CAROL);
        vm.assertEq(a.subject, BOB);
        vm.assertEq(a.scope, scope);
        vm.assertEq(a.digest, "digest");
        vm.assertEq(a.kind, 300);
        vm.assertEq(registry.entityCount(), 3);
        vm.assertTrue(registry.isValid(id), "valid");
        vm.warp(START + 10);
        vm.assertTrue(!registry.isValid(id), "expired");
    }

    function test_R10_attest_refuses() external {
        vm.prank(ALICE);
        vm.expectRevert(Registry.NotIssuer.selector);
        registry.attest(scope, BOB, 1, "", START + 1);
        grant(ALICE, CAROL, KYC_ISSUER);
        vm.prank(CAROL);
        vm.expectRevert(Registry.NotIssuer.selector);
        registry.attest(global, BOB, 1, "", START + 1);
        vm.prank(CAROL);
        vm.expectRevert(Registry.ZeroAddress.selector);
        registry.attest(scope, address(0), 1, "", START + 1);
        vm.prank(CAROL);
        vm.expectRevert(Registry.InvalidExpiry.selector);
        registry.attest(scope, BOB, 1, "", START);
        vm.prank(CAROL);
        registry.attest(scope, BOB, 1, "", START + 1);
    }

    function test_R11_revoke_attestation() external {
        grant(ALICE, CAROL, KYC_ISSUER);
        grant(ALICE, BOB, KYC_ISSUER);
        bytes32 id = attest();
        bytes32 second = attest();
        vm.prank(BOB);
        vm.expectRevert(Registry.NotIssuer.selector);
        registry.revokeAttestation(id);
        vm.prank(ROOT);
        vm.expectRevert(Registry.NotIssuer.selector);
        registry.revokeAttestation(id);
        vm.prank(ALICE);
        registry.revoke(scope, CAROL, KYC_ISSUER);
        vm.expectEmit();
        emit Registry.AttestationRevoked(id, 2, CAROL);
        vm.prank(CAROL);
        registry.revokeAttestation(id);
        vm.assertTrue(!registry.isValid(id), "revoked");
        vm.prank(CAROL);
        vm.expectRevert(Registry.AlreadyRevoked.selector);
        registry.revokeAttestation(id);
        vm.prank(ALICE);
        registry.revokeAttestation(second);
    }

    function test_R12_what_is_not_there() external {
        vm.expectRevert(Registry.AttestationNotFound.selector);
        registry.revokeAttestation("none");
        vm.expectRevert(Registry.AttestationNotFound.selector);
        registry.getAttestation("none");
        vm.expectRevert(Registry.AttestationNotFound.selector);
        registry.isValid("none");
        vm.expectRevert(Registry.ProfileNotFound.selector);
        registry.getProfile(CAROL);
        vm.assertEq(registry.getScope("none").seq, 0);
    }

    // ── gas

    function test_gas() external {
        vm.prank(BOB);
        registry.openScope("farm");
        vm.snapshotGasLastCall("Registry", "openScope");
        grant(ALICE, CAROL, KYC_ISSUER);
        vm.snapshotGasLastCall("Registry", "grant");
        setProfile(ALICE, "one");
        vm.snapshotGasLastCall("Registry", "setProfile, first");
        setProfile(ALICE, "two");
        vm.snapshotGasLastCall("Registry", "setProfile");
        linkWallet(0);
        vm.snapshotGasLastCall("Registry", "link");
        vm.prank(ALICE);
        registry.unlink(WALLET);
        vm.snapshotGasLastCall("Registry", "unlink");
        vm.prank(ROOT);
        registry.setProfileStatus(ALICE, 1);
        vm.snapshotGasLastCall("Registry", "setProfileStatus");
        bytes32 id = attest();
        vm.snapshotGasLastCall("Registry", "attest");
        vm.prank(CAROL);
        registry.revokeAttestation(id);
        vm.snapshotGasLastCall("Registry", "revokeAttestation");
        vm.prank(ALICE);
        registry.announce(scope, "digest", "bafy", "Rain is late");
        vm.snapshotGasLastCall("Registry", "announce");
        vm.prank(ALICE);
        registry.revoke(scope, CAROL, KYC_ISSUER);
        vm.snapshotGasLastCall("Registry", "revoke");
    }

    // ── helpers

    function grant(address by, address account, uint8 role) private {
        vm.prank(by);
        registry.grant(scope, account, role);
    }

    function setProfile(address wallet, bytes32 metadata) private {
        vm.prank(wallet);
        registry.setProfile(metadata, "al", "bafy");
    }

    function attest() private returns (bytes32) {
        vm.prank(CAROL);
        return registry.attest(scope, BOB, 300, "digest", START + 10);
    }

    function linkWallet(uint256 nonce) private {
        bytes memory signature = signed(ALICE, nonce, START);
        vm.prank(ALICE);
        registry.link(WALLET, START, signature);
    }

    /// The wallet's signature for `profile`.
    function signed(address profile, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
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
                WALLET,
                nonce,
                deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(WALLET_KEY, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        return abi.encodePacked(r, s, v);
    }
}

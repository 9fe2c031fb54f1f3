// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Registry: who holds which role, what wallets say of themselves, what issuers attest
/// @notice Roles hold within a scope, and only that scope's admins give and take them. Rules are
/// numbered in `programs/SPEC.md`.
/// @dev Times are unix seconds. No personal data: digests only. A profile's id is its wallet.
contract Registry is EIP712, Nonces {
    enum Kind {
        Global,
        Project
    }

    /// @notice Not among them: who receives aid. Those are leaves of a pool's Merkle root.
    enum Role {
        Admin,
        Operator,
        Resolver,
        Arbiter,
        KycIssuer,
        Vendor
    }

    enum ProfileStatus {
        New,
        Verified,
        Suspended
    }

    /// @notice Within what a role holds.
    struct Scope {
        address creator;
        uint64 nonce;
        Kind kind;
        // ── slot 2
        /// What it is for: a project's id.
        bytes32 subject;
        // ── slot 3
        /// Number of the last event; 0 where there is no scope.
        uint64 seq;
        /// Accounts that hold the role admin.
        uint32 admins;
    }

    /// @notice What a wallet says of itself.
    struct Profile {
        bytes32 metadata;
        // ── slot 2
        /// Number of the last event; 0 where there is no profile.
        uint64 seq;
        /// Wallets linked to it.
        uint32 linked;
        ProfileStatus status;
    }

    /// @notice What an issuer attests of a subject, by digest.
    struct Attestation {
        address issuer;
        uint64 nonce;
        uint16 kind;
        bool revoked;
        // ── slot 2
        address subject;
        uint40 expiresAt;
        // ── slot 3
        /// Number of the last event; 0 where there is no attestation.
        uint64 seq;
        // ── slot 4
        /// Where the issuer held the role.
        bytes32 scope;
        bytes32 digest;
    }

    /// Bytes of the texts of one event together.
    uint256 private constant MAX_TEXT = 700;
    bytes32 private constant LINK_TYPEHASH =
        keccak256("Link(address profile,address wallet,uint256 nonce,uint256 deadline)");

    /// @notice The global scope.
    bytes32 public immutable GLOBAL;
    /// @notice Scopes, profiles and attestations ever made.
    uint64 public entityCount;
    /// @notice Scopes and attestations ever made by `creator`: the nonce of the next one.
    mapping(address creator => uint64) public created;
    /// @notice The profile that a wallet is linked to; 0 for none.
    mapping(address wallet => address) public linkedTo;
    mapping(bytes32 scope => Scope) private _scopes;
    mapping(bytes32 scope => mapping(address account => mapping(Role => bool))) private _grants;
    mapping(address profile => Profile) private _profiles;
    mapping(bytes32 attestation => Attestation) private _attestations;

    event ScopeOpened(
        bytes32 indexed scope,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        Kind kind,
        bytes32 subject
    );
    event RoleGranted(
        bytes32 indexed scope,
        uint64 seq,
        address indexed actor,
        address indexed account,
        Role role,
        bool heldAfter,
        uint32 adminsAfter
    );
    event RoleRevoked(
        bytes32 indexed scope,
        uint64 seq,
        address indexed actor,
        address indexed account,
        Role role,
        bool heldAfter,
        uint32 adminsAfter
    );
    event Announced(
        bytes32 indexed scope,
        uint64 seq,
        address indexed actor,
        bytes32 digest,
        string cid,
        string title
    );
    event ProfileSet(
        address indexed profile,
        uint64 seq,
        address indexed actor,
        bytes32 metadata,
        ProfileStatus statusAfter,
        string handle,
        string cid
    );
    event WalletLinked(
        address indexed profile,
        uint64 seq,
        address indexed actor,
        address indexed wallet,
        uint32 linkedAfter
    );
    event WalletUnlinked(
        address indexed profile,
        uint64 seq,
        address indexed actor,
        address indexed wallet,
        uint32 linkedAfter
    );
    event ProfileStatusSet(
        address indexed profile, uint64 seq, address indexed actor, ProfileStatus statusAfter
    );
    event AttestationIssued(
        bytes32 indexed attestation,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        bytes32 scope,
        address indexed subject,
        uint16 kind,
        bytes32 digest,
        uint40 expiresAt
    );
    event AttestationRevoked(bytes32 indexed attestation, uint64 seq, address indexed actor);

    error NotAdmin();
    error InvalidRole();
    error ZeroAddress();
    error AlreadyGranted();
    error NotGranted();
    error LastAdmin();
    error TextTooLong();
    error SignatureExpired();
    error InvalidSignature();
    error InvalidWallet();
    error AlreadyLinked();
    error NotLinked();
    error NotParty();
    error InvalidStatus();
    error NotIssuer();
    error InvalidExpiry();
    error AlreadyRevoked();
    error ProfileNotFound();
    error AttestationNotFound();

    /// @param admin the first admin of the global scope
    constructor(address admin) EIP712("chainfold registry", "1") {
        require(admin != address(0), ZeroAddress()); // R-1
        GLOBAL = entityId(address(0), 0);
        _open(GLOBAL, address(0), 0, Kind.Global, 0, admin);
    }

    /// @notice Opens a scope. Anyone may; the caller is its first admin.
    /// @param subject what it is for: a project's id
    function openScope(bytes32 subject) external returns (bytes32 scope) {
        uint64 nonce = created[msg.sender]++;
        scope = entityId(msg.sender, nonce);
        _open(scope, msg.sender, nonce, Kind.Project, subject, msg.sender);
    }

    /// @notice Gives an account a role. Only an admin of that scope.
    /// @param role see `Role`
    function grant(bytes32 scope, address account, uint8 role) external {
        require(_grants[scope][msg.sender][Role.Admin], NotAdmin()); // R-3
        require(role <= uint8(type(Role).max), InvalidRole()); // R-3
        require(account != address(0), ZeroAddress()); // R-3
        require(!_grants[scope][account][Role(role)], AlreadyGranted()); // R-3
        _grant(scope, account, Role(role));
    }

    /// @notice Takes a role away. Only an admin of that scope; its last admin stays one.
    function revoke(bytes32 scope, address account, uint8 role) external {
        require(_grants[scope][msg.sender][Role.Admin], NotAdmin()); // R-4
        require(role <= uint8(type(Role).max), NotGranted()); // R-4
        require(_grants[scope][account][Role(role)], NotGranted()); // R-4
        Scope storage s = _scopes[scope];
        if (Role(role) == Role.Admin) {
            require(s.admins > 1, LastAdmin()); // R-4
            --s.admins;
        }
        _grants[scope][account][Role(role)] = false;
        emit RoleRevoked(scope, ++s.seq, msg.sender, account, Role(role), false, s.admins);
    }

    /// @notice Says something to everybody in the scope. Only an admin of it.
    /// @param digest sha-256 of the document
    function announce(bytes32 scope, bytes32 digest, string calldata cid, string calldata title)
        external
    {
        require(_grants[scope][msg.sender][Role.Admin], NotAdmin()); // R-5
        require(bytes(cid).length + bytes(title).length <= MAX_TEXT, TextTooLong()); // R-5
        emit Announced(scope, ++_scopes[scope].seq, msg.sender, digest, cid, title);
    }

    /// @notice Says who the caller is, for the first time or anew.
    /// @param metadata sha-256 of a document
    function setProfile(bytes32 metadata, string calldata handle, string calldata cid) external {
        require(bytes(handle).length + bytes(cid).length <= MAX_TEXT, TextTooLong()); // R-6
        Profile storage p = _profiles[msg.sender];
        if (p.seq == 0) ++entityCount;
        p.metadata = metadata;
        emit ProfileSet(msg.sender, ++p.seq, msg.sender, metadata, p.status, handle, cid);
    }

    /// @notice Joins `wallet` to the caller's profile, on the wallet's EIP-712 signature (ERC-1271
    /// for contracts).
    /// @param deadline last second at which the signature may be used
    function link(address wallet, uint256 deadline, bytes calldata signature) external {
        Profile storage p = _profile(msg.sender);
        require(block.timestamp <= deadline, SignatureExpired()); // R-7
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(LINK_TYPEHASH, msg.sender, wallet, _useNonce(wallet), deadline))
        );
        require(
            SignatureChecker.isValidSignatureNowCalldata(wallet, digest, signature),
            InvalidSignature()
        ); // R-7
        require(wallet != msg.sender, InvalidWallet()); // R-7
        require(linkedTo[wallet] == address(0), AlreadyLinked()); // R-7

        linkedTo[wallet] = msg.sender;
        emit WalletLinked(msg.sender, ++p.seq, msg.sender, wallet, ++p.linked);
    }

    /// @notice Ends a link. Only the profile's wallet or the linked one.
    function unlink(address wallet) external {
        address profile = linkedTo[wallet];
        require(profile != address(0), NotLinked()); // R-8
        require(msg.sender == profile || msg.sender == wallet, NotParty()); // R-8

        delete linkedTo[wallet];
        Profile storage p = _profiles[profile];
        emit WalletUnlinked(profile, ++p.seq, msg.sender, wallet, --p.linked);
    }

    /// @notice Sets a profile's status. Only an admin of the global scope.
    /// @param status see `ProfileStatus`
    function setProfileStatus(address profile, uint8 status) external {
        Profile storage p = _profile(profile);
        require(_grants[GLOBAL][msg.sender][Role.Admin], NotAdmin()); // R-9
        require(status <= uint8(type(ProfileStatus).max), InvalidStatus()); // R-9

        p.status = ProfileStatus(status);
        emit ProfileStatusSet(profile, ++p.seq, msg.sender, p.status);
    }

    /// @notice Attests something of `subject`. Only a KYC issuer of the scope.
    /// @param kind a number that the scope gives a meaning
    /// @param digest sha-256 of what is attested; never the thing itself
    function attest(bytes32 scope, address subject, uint16 kind, bytes32 digest, uint40 expiresAt)
        external
        returns (bytes32 attestation)
    {
        require(_grants[scope][msg.sender][Role.KycIssuer], NotIssuer()); // R-10
        require(subject != address(0), ZeroAddress()); // R-10
        require(block.timestamp < expiresAt, InvalidExpiry()); // R-10

        uint64 nonce = created[msg.sender]++;
        attestation = entityId(msg.sender, nonce);
        ++entityCount;
        _attestations[attestation] = Attestation({
            issuer: msg.sender,
            nonce: nonce,
            kind: kind,
            revoked: false,
            subject: subject,
            expiresAt: expiresAt,
            seq: 1,
            scope: scope,
            digest: digest
        });
        emit AttestationIssued(
            attestation, 1, msg.sender, nonce, scope, subject, kind, digest, expiresAt
        );
    }

    /// @notice Takes an attestation back. Only its issuer or an admin of its scope.
    function revokeAttestation(bytes32 attestation) external {
        Attestation storage a = _attestation(attestation);
        require(msg.sender == a.issuer || _grants[a.scope][msg.sender][Role.Admin], NotIssuer()); // R-11
        require(!a.revoked, AlreadyRevoked()); // R-11

        a.revoked = true;
        emit AttestationRevoked(attestation, ++a.seq, msg.sender);
    }

    /// @notice Whether the account holds the role in that scope.
    function hasRole(bytes32 scope, address account, Role role) external view returns (bool) {
        return _grants[scope][account][role];
    }

    /// @notice The scope as it stands; all zero where there is none.
    function getScope(bytes32 scope) external view returns (Scope memory) {
        return _scopes[scope];
    }

    /// @notice The profile as it stands.
    function getProfile(address profile) external view returns (Profile memory) {
        return _profile(profile);
    }

    /// @notice The attestation as it stands.
    function getAttestation(bytes32 attestation) external view returns (Attestation memory) {
        return _attestation(attestation);
    }

    /// @notice Whether the attestation is neither revoked nor expired.
    function isValid(bytes32 attestation) external view returns (bool) {
        Attestation storage a = _attestation(attestation);
        return !a.revoked && block.timestamp < a.expiresAt;
    }

    /// @notice Id of what `creator` made with `nonce` on this chain and contract.
    function entityId(address creator, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), creator, nonce));
    }

    function _open(
        bytes32 scope,
        address creator,
        uint64 nonce,
        Kind kind,
        bytes32 subject,
        address admin
    ) private {
        ++entityCount;
        Scope storage s = _scopes[scope];
        (s.creator, s.nonce, s.kind, s.subject, s.seq) = (creator, nonce, kind, subject, 1);
        emit ScopeOpened(scope, 1, msg.sender, nonce, kind, subject);
        _grant(scope, admin, Role.Admin);
    }

    function _grant(bytes32 scope, address account, Role role) private {
        Scope storage s = _scopes[scope];
        _grants[scope][account][role] = true;
        if (role == Role.Admin) ++s.admins;
        emit RoleGranted(scope, ++s.seq, msg.sender, account, role, true, s.admins);
    }

    function _profile(address profile) private view returns (Profile storage p) {
        p = _profiles[profile];
        require(p.seq > 0, ProfileNotFound()); // R-12
    }

    function _attestation(bytes32 attestation) private view returns (Attestation storage a) {
        a = _attestations[attestation];
        require(a.seq > 0, AttestationNotFound()); // R-12
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {LongEvent} from "./LongEvent.sol";
import {IProjects, Payouts} from "./Payouts.sol";

/// @title Projects: a payouts contract of its own for each
/// @notice Makes a minimal clone of Payouts for each project and keeps what its owner says of it.
/// Rules are numbered in `programs/SPEC.md`.
/// @dev A clone can't be changed: it forwards to one implementation for ever.
contract Projects is IProjects {
    enum Kind {
        RFV,
        C2C,
        AA
    }

    enum Status {
        Active,
        Paused,
        Done
    }

    /// @notice A project as it stands.
    struct Project {
        address owner;
        /// Number of the last event; 0 where there is no project.
        uint64 seq;
        Kind kind;
        Status status;
        // ── slot 2
        Payouts payouts;
        uint64 nonce;
        uint16 milestones;
        uint16 milestonesDone;
        // ── slots 3, 4
        /// In the smallest unit of what the owner counts in; nothing is paid by it.
        uint120 budget;
        bytes32 organisation;
    }

    /// @notice Something to be done by a time.
    struct Milestone {
        bytes32 digest;
        uint40 dueAt;
        bool done;
    }

    /// What ProjectCreated has beside its indexed fields, in its order.
    struct CreatedData {
        uint64 seq;
        uint64 nonce;
        address payouts;
        Kind kind;
        bytes32 organisation;
        uint120 budget;
        Status statusAfter;
        string cid;
        string title;
    }

    uint256 private constant MAX_MILESTONES = 64;
    uint256 private constant MAX_TEXT = 700;

    /// @notice What every project's contract forwards to.
    Payouts public immutable PAYOUTS;
    /// @notice Projects ever created.
    uint64 public projectCount;
    /// @notice Projects ever created by `owner`: the nonce of the next one.
    mapping(address owner => uint64) public nonces;
    mapping(bytes32 project => Project) private _projects;
    mapping(bytes32 project => mapping(uint32 milestone => Milestone)) private _milestones;

    event ProjectCreated(
        bytes32 indexed project,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        address payouts,
        Kind kind,
        bytes32 organisation,
        uint120 budget,
        Status statusAfter,
        string cid,
        string title
    );
    event ProjectUpdated(
        bytes32 indexed project,
        uint64 seq,
        address indexed actor,
        uint120 budget,
        Status statusAfter
    );
    event MilestoneAdded(
        bytes32 indexed project,
        uint64 seq,
        address indexed actor,
        uint32 milestone,
        bytes32 digest,
        uint40 dueAt
    );
    event MilestoneCompleted(
        bytes32 indexed project,
        uint64 seq,
        address indexed actor,
        uint32 milestone,
        bytes32 evidence,
        uint32 doneAfter
    );

    error TextTooLong();
    error NotOwner();
    error WrongStatus();
    error TooManyMilestones();
    error InvalidDeadlines();
    error MilestoneNotFound();
    error AlreadyDone();
    error ProjectNotFound();

    constructor(Payouts payouts) {
        PAYOUTS = payouts;
    }

    /// @notice Creates a project and its payouts contract. Anyone may; the caller is its owner.
    function create(
        Kind kind,
        bytes32 organisation,
        uint120 budget,
        string calldata cid,
        string calldata title
    ) external returns (bytes32 project) {
        require(bytes(cid).length + bytes(title).length <= MAX_TEXT, TextTooLong()); // Q-1

        uint64 nonce = nonces[msg.sender]++;
        project = projectId(msg.sender, nonce);
        ++projectCount;
        address payouts = Clones.cloneDeterministicWithImmutableArgs(
            address(PAYOUTS), abi.encode(address(this), project), project
        );
        _projects[project] = Project({
            owner: msg.sender,
            seq: 1,
            kind: kind,
            status: Status.Active,
            payouts: Payouts(payouts),
            nonce: nonce,
            milestones: 0,
            milestonesDone: 0,
            budget: budget,
            organisation: organisation
        });
        CreatedData memory created = CreatedData({
            seq: 1,
            nonce: nonce,
            payouts: payouts,
            kind: kind,
            organisation: organisation,
            budget: budget,
            statusAfter: Status.Active,
            cid: cid,
            title: title
        });
        LongEvent.log(ProjectCreated.selector, project, msg.sender, abi.encode(created));
    }

    /// @notice Sets budget and status. Only the owner; what is done stays done.
    function update(bytes32 project, uint120 budget, Status status) external {
        Project storage p = _owned(project);
        require(p.status != Status.Done, WrongStatus()); // Q-2
        (p.budget, p.status) = (budget, status);
        emit ProjectUpdated(project, ++p.seq, msg.sender, budget, status);
    }

    /// @notice Adds a milestone. Only the owner.
    /// @param digest sha-256 of what describes it
    function addMilestone(bytes32 project, bytes32 digest, uint40 dueAt) external {
        Project storage p = _owned(project);
        uint16 milestone = p.milestones;
        require(p.status != Status.Done, WrongStatus()); // Q-3
        require(milestone < MAX_MILESTONES, TooManyMilestones()); // Q-3
        require(dueAt > block.timestamp, InvalidDeadlines()); // Q-3

        p.milestones = milestone + 1;
        _milestones[project][milestone] = Milestone({digest: digest, dueAt: dueAt, done: false});
        emit MilestoneAdded(project, ++p.seq, msg.sender, milestone, digest, dueAt);
    }

    /// @notice Says that a milestone is reached. Only the owner.
    /// @param evidence sha-256 of what shows it
    function completeMilestone(bytes32 project, uint32 milestone, bytes32 evidence) external {
        Project storage p = _owned(project);
        require(milestone < p.milestones, MilestoneNotFound()); // Q-4
        Milestone storage m = _milestones[project][milestone];
        require(!m.done, AlreadyDone()); // Q-4

        m.done = true;
        uint16 done = ++p.milestonesDone;
        emit MilestoneCompleted(project, ++p.seq, msg.sender, milestone, evidence, done);
    }

    /// @notice The project as it stands.
    function getProject(bytes32 project) external view returns (Project memory) {
        return _project(project);
    }

    /// @notice A milestone as it stands; zeros where there is none.
    function getMilestone(bytes32 project, uint32 milestone)
        external
        view
        returns (Milestone memory)
    {
        return _milestones[project][milestone];
    }

    /// @inheritdoc IProjects
    function activeOwner(bytes32 project) external view returns (address) {
        Project storage p = _project(project);
        require(p.status == Status.Active, WrongStatus()); // Q-5
        return p.owner;
    }

    /// @notice Id of the project that `owner` created with `nonce` on this chain and contract.
    function projectId(address owner, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), owner, nonce));
    }

    function _owned(bytes32 project) private view returns (Project storage p) {
        p = _project(project);
        require(msg.sender == p.owner, NotOwner()); // Q-2
    }

    function _project(bytes32 project) private view returns (Project storage p) {
        p = _projects[project];
        require(p.seq > 0, ProjectNotFound()); // Q-5
    }
}

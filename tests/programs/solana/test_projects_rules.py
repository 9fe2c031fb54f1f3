"""The rules of projects, Q-1 to Q-5: each where it bites and next to where it does not."""

import pytest
from onsvm.bets import DAY
from onsvm.chain import START, SYSTEM, Receipt, Refused, wallet
from onsvm.forge import clone, off_bump, with_account, with_accounts, with_data, with_flags
from onsvm.interface import Interface
from onsvm.projects import ACTIVE, DONE, PAUSED, Projects
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")
U64 = 2**64 - 1
OWNER = wallet("owner").pubkey()


def refuses(projects: Projects, ix: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        projects.send(ix)
    assert refused.value.name == error, refused.value


def event(receipt: Receipt) -> tuple[str, dict[str, object]]:
    (only,) = receipt.events
    return only.name, only.fields


def test_create(projects: Projects) -> None:
    """Q-1, G-3, G-4"""
    for nonce in range(2):
        project = projects.project(OWNER, nonce)
        name, fields = event(projects.send(projects.create(kind=2 - nonce, budget=U64)))
        assert name == "ProjectCreated"
        assert fields == {
            "project": project,
            "seq": 1,
            "actor": OWNER,
            "nonce": nonce,
            "payouts": Interface("payouts").address,
            "kind": 2 - nonce,
            "organisation": bytes([5]) * 32,
            "budget": U64,
            "status_after": ACTIVE,
            "cid": "bafkreia",
            "title": "Wells",
        }
        state = projects.read(project)
        same = set(fields) & set(state)
        assert len(same) >= 4
        assert all(state[key] == fields[key] for key in same)
        assert (state["owner"], state["status"], state["milestones"]) == (OWNER, ACTIVE, 0)
    assert projects.read(projects.counter)["projects"] == 2
    refuses(projects, projects.create(kind=3), "InvalidInstruction")


def test_create_text(projects: Projects) -> None:
    """Q-1, G-6"""
    projects.send(projects.create(title="x" * 600, cid="c" * 100))
    refuses(projects, projects.create(title="x" * 601, cid="c" * 100), "TextTooLong")


def test_owner_updates_until_done(projects: Projects) -> None:
    """Q-2"""
    project = projects.created()
    refuses(projects, projects.update("mallory", project, 5, PAUSED), "NotOwner")
    refuses(projects, projects.update("owner", project, 5, 3), "InvalidInstruction")
    for seq, status in enumerate((PAUSED, ACTIVE, DONE), 2):
        assert event(projects.send(projects.update("owner", project, seq, status))) == (
            "ProjectUpdated",
            {
                "project": project,
                "seq": seq,
                "actor": OWNER,
                "budget": seq,
                "status_after": status,
            },
        )
        state = projects.read(project)
        assert (state["budget"], state["status"]) == (seq, status)
    for status in (ACTIVE, PAUSED, DONE):
        refuses(projects, projects.update("owner", project, 5, status), "WrongStatus")


def test_milestones(projects: Projects) -> None:
    """Q-3, Q-4: each of the 64, once, in any order."""
    project = projects.created()
    refuses(projects, projects.add_milestone("mallory", project), "NotOwner")
    refuses(projects, projects.add_milestone("owner", project, 0), "InvalidDeadlines")
    for number in range(64):
        assert event(projects.send(projects.add_milestone("owner", project, 1))) == (
            "MilestoneAdded",
            {
                "project": project,
                "seq": 2 + number,
                "actor": OWNER,
                "milestone": number,
                "digest": bytes([6]) * 32,
                "due_at": START + 1,
            },
        )
        next_one = projects.complete_milestone("owner", project, number + 1)
        refuses(projects, next_one, "MilestoneNotFound")
    refuses(projects, projects.add_milestone("owner", project), "TooManyMilestones")
    refuses(projects, projects.complete_milestone("mallory", project, 0), "NotOwner")
    for number in (64, 2**32 - 1):
        late = projects.complete_milestone("owner", project, number)
        refuses(projects, late, "MilestoneNotFound")
    order = [63, 0, *range(1, 63)]
    for done, number in enumerate(order, 1):
        complete = projects.complete_milestone("owner", project, number)
        assert event(projects.send(complete)) == (
            "MilestoneCompleted",
            {
                "project": project,
                "seq": 65 + done,
                "actor": OWNER,
                "milestone": number,
                "evidence": bytes([7]) * 32,
                "done_after": done,
            },
        )
        refuses(projects, complete, "AlreadyDone")
    assert projects.read(project)["done"] == U64


def test_no_milestone_is_added_to_what_is_done(projects: Projects) -> None:
    """Q-3, Q-4: what was begun may still be completed."""
    project = projects.created()
    projects.send(projects.add_milestone("owner", project))
    projects.send(projects.update("owner", project, 0, PAUSED))
    projects.send(projects.add_milestone("owner", project))
    projects.send(projects.update("owner", project, 0, DONE))
    refuses(projects, projects.add_milestone("owner", project), "WrongStatus")
    projects.chain.at(2 * DAY)
    projects.send(projects.complete_milestone("owner", project, 1))


# ---- accounts ----


def build(projects: Projects, name: str) -> tuple[Instruction, Pubkey]:
    """An instruction that is valid now, and its project."""
    project = projects.created("alice" if name == "create" else "owner")
    projects.chain.fund("sponsor")
    if name == "create":
        return projects.create("owner"), project
    if name == "update":
        return projects.update("owner", project, 5, PAUSED), project
    if name == "add_milestone":
        return projects.add_milestone("owner", project), project
    projects.send(projects.add_milestone("owner", project))
    return projects.complete_milestone("owner", project, 0), project


NAMES = list(Interface("projects").instructions)


@pytest.mark.parametrize("name", NAMES)
def test_accounts(projects: Projects, name: str) -> None:
    """G-5, G-11, Q-5: signatures, lengths, the fixed accounts, what looks like a project."""
    ix, project = build(projects, name)
    if name == "create":
        ix = with_account(ix, 1, wallet("sponsor").pubkey())
        refuses(projects, with_flags(ix, 1, signer=False), "NotSigner")
    refuses(projects, with_flags(ix, 0, signer=False), "NotSigner")
    refuses(projects, with_accounts(ix, list(ix.accounts)[:-1]), "MissingAccount")
    refuses(projects, with_data(ix, bytes(ix.data) + b"\0"), "InvalidInstruction")
    refuses(projects, with_data(ix, bytes(ix.data)[:-1]), "InvalidInstruction")
    refuses(projects, with_data(ix, bytes(8) + bytes(ix.data)[8:]), "InvalidInstruction")
    fixed = {"event_authority": "WrongEventAuthority", "program": "WrongProgram"}
    if name == "create":
        fixed["system_program"] = "WrongSystemProgram"
    for account, error in fixed.items():
        at = projects.interface.position(name, account)
        refuses(projects, with_account(ix, at, TOKEN_2022), error)
    if name != "create":
        data = projects.chain.data(project)
        counter = projects.chain.data(projects.counter) or b""
        assert data is not None
        at = projects.interface.position(name, "project")
        for fake in (
            clone(projects.chain, project, owner=LOADER),
            clone(projects.chain, project, data=counter[:8] + data[8:]),
            clone(projects.chain, project, data=data[:-1]),
            projects.counter,
            Pubkey.new_unique(),
        ):
            refuses(projects, with_account(ix, at, fake), "WrongProject")
    for at, entry in enumerate(projects.interface.instructions[name]["accounts"]):
        keys = [m.pubkey for m in ix.accounts]
        if entry["isMut"] and keys.count(keys[at]) == 1:
            with pytest.raises(Refused):
                projects.send(with_flags(ix, at, writable=False))
    projects.send(with_accounts(ix, [*ix.accounts, AccountMeta(SYSTEM, False, False)]))


CREATED = {
    "counter": ("WrongCounter", [b"counter"]),
    "creator_counter": ("WrongCreatorCounter", [b"creator", bytes(OWNER)]),
    "project": ("WrongProject", [b"project", bytes(OWNER), bytes(8)]),
}


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("account", CREATED)
def test_what_create_makes(projects: Projects, account: str, made: bool) -> None:
    """G-3, G-11: canonical bumps only, nobody else's counter."""
    if made:
        projects.created("alice")
    alice = projects.creator_counter(wallet("alice").pubkey())
    error, seeds = CREATED[account]
    ix = projects.create("owner")
    wrong = [Pubkey.new_unique(), projects.project(OWNER, 1)]
    if account != "counter" or not made:
        wrong.append(off_bump(projects.interface, *seeds))
    if made:
        wrong += [alice, clone(projects.chain, projects.counter, owner=LOADER)]
    at = projects.interface.position("create", account)
    for address in wrong:
        refuses(projects, with_account(ix, at, address), error)
    projects.send(ix)

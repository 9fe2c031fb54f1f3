"""The program projects: its addresses and its instructions with the accounts they want."""

from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from onsvm.bets import DAY
from onsvm.chain import START, SYSTEM, Chain, Receipt, wallet

ACTIVE, PAUSED, DONE = range(3)
ACTORS = ("owner", "opener", "sponsor", "alice", "mallory")


class Projects:
    """Projects of `owner` unless told otherwise; times in seconds from the chain's start."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.interface = chain.interfaces["projects"]
        self.counter = self.interface.pda(b"counter")
        self.ending = {
            "event_authority": self.interface.event_authority,
            "program": self.interface.address,
        }

    def creator_counter(self, owner: Pubkey) -> Pubkey:
        return self.interface.pda(b"creator", bytes(owner))

    def project(self, owner: Pubkey, nonce: int) -> Pubkey:
        return self.interface.pda(b"project", bytes(owner), nonce.to_bytes(8, "little"))

    def read(self, address: Pubkey) -> dict[str, Any]:
        data = self.chain.data(address)
        assert data is not None, f"no account {address}"
        return self.interface.account(data)

    def next_project(self, owner: str) -> Pubkey:
        key = wallet(owner).pubkey()
        data = self.chain.data(self.creator_counter(key))
        return self.project(key, self.interface.account(data)["next_nonce"] if data else 0)

    def create(self, by: str = "owner", **args: Any) -> Instruction:
        owner = self.chain.fund(by).pubkey()
        accounts = {
            "owner": owner,
            "payer": owner,
            "counter": self.counter,
            "creator_counter": self.creator_counter(owner),
            "project": self.next_project(by),
            "system_program": SYSTEM,
        }
        given = {
            "kind": 0,
            "organisation": list(bytes([5]) * 32),
            "budget": 1000,
            "cid": "bafkreia",
            "title": "Wells",
        }
        return self.interface.instruction("create", accounts | self.ending, given | args)

    def step(self, name: str, by: str, project: Pubkey, **args: Any) -> Instruction:
        accounts = {"owner": self.chain.fund(by).pubkey(), "project": project}
        return self.interface.instruction(name, accounts | self.ending, args)

    def update(self, by: str, project: Pubkey, budget: int, status: int) -> Instruction:
        return self.step("update", by, project, budget=budget, status=status)

    def add_milestone(self, by: str, project: Pubkey, due_at: int = DAY) -> Instruction:
        digest = list(bytes([6]) * 32)
        return self.step("add_milestone", by, project, digest=digest, due_at=START + due_at)

    def complete_milestone(self, by: str, project: Pubkey, milestone: int) -> Instruction:
        evidence = list(bytes([7]) * 32)
        return self.step("complete_milestone", by, project, milestone=milestone, evidence=evidence)

    def created(self, by: str = "owner", **args: Any) -> Pubkey:
        project = self.next_project(by)
        self.send(self.create(by, **args))
        return project

    def send(self, *instructions: Instruction, **options: Any) -> Receipt:
        return self.chain.send(*instructions, signers=[wallet(name) for name in ACTORS], **options)

"""Projects, as wallets call them on each chain."""

from __future__ import annotations

from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from web3 import Web3

from localnet import artifacts
from localnet.evm import EvmWallets
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action
from localnet.svm import SolanaProgram, SolanaWallets

_PAYOUTS = 4  # where getProject() has the address of the project's own contract


class EvmProjects:
    def __init__(self, wallets: EvmWallets) -> None:
        self.wallets = wallets
        self.projects = wallets.contract("Projects", wallets.deployed.projects)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        a, f, wallets = action.args, self.projects.functions, self.wallets
        if action.kind == "create":
            call = f.create(a["project_kind"], a["organisation"], a["budget"], a["cid"], a["title"])
            receipt = await wallets.send(action.actor, call, 500_000)
            if receipt.ok:
                state = await f.getProject(Web3.to_bytes(hexstr=receipt.made)).call()
                entity.notes["payouts"] = state[_PAYOUTS]
            entity.id = receipt.made
            return receipt
        return await wallets.send(action.actor, self._call(action, entity), 200_000)

    def _call(self, action: Action, entity: Entity) -> Any:
        a, f, id_ = action.args, self.projects.functions, Web3.to_bytes(hexstr=entity.id)
        match action.kind:
            case "update":
                return f.update(id_, a["budget"], a["status"])
            case "add_milestone":
                return f.addMilestone(id_, a["digest"], entity.times["due_at"])
            case "complete_milestone":
                return f.completeMilestone(id_, a["milestone"], a["evidence"])
            case other:
                raise ValueError(f"projects have no {other!r}")


class SolanaProjects:
    def __init__(self, wallets: SolanaWallets) -> None:
        self.wallets = wallets
        self.projects = SolanaProgram(wallets, artifacts.PROJECTS_IDL)

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        a, wallets = action.args, self.wallets
        owner = wallets.address(action.actor)
        if action.kind == "create":
            terms = a["project_kind"], list(a["organisation"]), a["budget"], a["cid"], a["title"]
            entity.id, receipt = await self.projects.create(
                b"project",
                action.actor,
                lambda project, counters: self.projects.instruction(
                    "create", *terms, owner=owner, project=project, **counters
                ),
            )
            return receipt
        call = self._call(action, entity, owner)
        return await wallets.sender.send([call], wallets.wallet(action.actor))

    def _call(self, action: Action, entity: Entity, owner: Pubkey) -> Instruction:
        a, call, project = action.args, self.projects.instruction, Pubkey.from_string(entity.id)
        match action.kind:
            case "update":
                return call("update", a["budget"], a["status"], owner=owner, project=project)
            case "add_milestone":
                due_at = entity.times["due_at"]
                digest = list(a["digest"])
                return call("add_milestone", digest, due_at, owner=owner, project=project)
            case "complete_milestone":
                said = a["milestone"], list(a["evidence"])
                return call("complete_milestone", *said, owner=owner, project=project)
            case other:
                raise ValueError(f"projects have no {other!r}")

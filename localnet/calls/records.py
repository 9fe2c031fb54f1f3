"""Records and playlists, as wallets call them on a Solana chain."""

from __future__ import annotations

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as NONE

from localnet.calls.registry import SolanaRegistry
from localnet.play import Entities, Entity, Receipt
from localnet.stories.action import Action


class SolanaRecords:
    """Shares the registry's program: one counter numbers all that a wallet makes there."""

    def __init__(self, registry: SolanaRegistry) -> None:
        self.wallets, self.registry = registry.wallets, registry.registry

    async def act(self, action: Action, entity: Entity, others: Entities) -> Receipt:
        owner = self.wallets.address(action.actor)
        if action.kind in ("create_record", "create_playlist"):
            seed = action.kind.removeprefix("create_")
            more = {}
            if seed == "record":
                parent = action.args["parent"]
                more = {"parent": Pubkey.from_string(others[parent].id) if parent else NONE}
            entity.id, receipt = await self.registry.create(
                seed.encode(),
                action.actor,
                lambda made, counters: self.registry.instruction(
                    action.kind, *_said(action), owner=owner, **{seed: made}, **more, **counters
                ),
            )
            return receipt
        call = self._call(action, entity, owner)
        return await self.wallets.sender.send([call], self.wallets.wallet(action.actor))

    def _call(self, action: Action, entity: Entity, owner: Pubkey) -> Instruction:
        kind = "playlist" if action.kind == "update_playlist" else "record"
        about = {kind: Pubkey.from_string(entity.id)}
        return self.registry.instruction(action.kind, *_said(action), owner=owner, **about)


def _said(action: Action) -> tuple[object, ...]:
    """The instruction's arguments, in the interface's order."""
    a = action.args
    match action.kind:
        case "create_record":
            head = a["record_kind"], list(a["digest"]), list(a["wistia"]), a["visibility"]
            return (*head, a["cid"], a["title"], a["tags"])
        case "update_record":
            return list(a["digest"]), list(a["wistia"]), a["cid"], a["title"], a["tags"]
        case "set_visibility":
            return (a["visibility"],)
        case "retire":
            return ()
        case "create_playlist" | "update_playlist":
            return list(a["digest"]), a["entries"], a["visibility"], a["cid"], a["title"]
        case other:
            raise ValueError(f"records have no {other!r}")

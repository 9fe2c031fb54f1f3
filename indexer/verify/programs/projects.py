"""The accounts of `projects`."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Pda, Program, View

_SAME = (
    "owner", "payouts", "kind", "organisation", "budget", "status", "milestones", "milestones_done",
)  # fmt: skip

PROJECTS = Program(
    "projects",
    counter=("projectCount", "projects"),
    entities=(
        Entity(
            Account(
                "projects",
                key=("project",),
                solana=Pda("Project"),
                evm=View("getProject"),
                same=_SAME,
            ),
            opened="ProjectCreated",
        ),
    ),
)

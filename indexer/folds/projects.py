"""State of the `projects` program."""

from indexer.folds.algebra import count, first, fold, last, max_

projects = fold(
    "projects",
    program="projects",
    key="project",
    doc="One row a project. kind: 0 RFV, 1 C2C, 2 AA; status: 0 Active, 1 Paused, 2 Done. "
    "payouts: the contract or program that holds its pools.",
    columns={
        "owner": first("ProjectCreated.actor"),
        "payouts": first("payouts"),
        "kind": first("kind"),
        "organisation": first("organisation"),
        "cid": first("cid"),
        "title": first("title"),
        "created_at": first("ProjectCreated.time"),
        "budget": last("budget"),
        "status": last("status_after"),
        "milestones": count("MilestoneAdded"),
        "milestones_done": last("done_after"),
        "events": count(),
        "seq": max_("seq"),
    },
)

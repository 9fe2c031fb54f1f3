"""State of the `payouts` program: pools, who pays into them and who is paid."""

from indexer.folds.algebra import count, first, fold, last, max_, sum_

pools = fold(
    "pools",
    program="payouts",
    key="pool",
    doc="One row a pool. kind: 0 Round, 1 Revenue, 2 Aid; status: 0 Funding, 1 Published, "
    "2 Vetoed, 3 Expired. Amounts in the token's smallest unit; opens_at and closes_at are "
    "heights where by_height. What the vault owes: funded - claimed - redeemed - refunded.",
    columns={
        "creator": first("PoolOpened.actor"),
        "operator": first("operator"),
        "guardian": first("guardian"),
        "token": first("token"),
        "kind": first("kind"),
        "project": first("PoolOpened.project"),
        "record": first("PoolOpened.record"),
        "cid": first("PoolOpened.cid"),
        "title": first("title"),
        "opened_at": first("PoolOpened.time"),
        "by_height": first("by_height"),
        "opens_at": first("opens_at"),
        "closes_at": first("closes_at"),
        "opens_at_raw": first("opens_at_raw"),
        "closes_at_raw": first("closes_at_raw"),
        "entry_fee": first("entry_fee"),
        "publish_by": first("publish_by"),
        "challenge_delay": first("challenge_delay"),
        "expires_at": first("expires_at"),
        "feed": first("feed"),
        "comparator": first("comparator"),
        "threshold": first("threshold"),
        "trigger_by": first("trigger_by"),
        "status": last("status_after"),
        "funded": last("funded_after"),
        "entries": count("RoundEntered"),
        "root": last("root"),
        "total": last("total"),
        "leaf_count": last("leaf_count"),
        "manifest": last("manifest"),
        "manifest_cid": last("PoolPublished.cid"),
        "published_at": last("PoolPublished.time"),
        "claims_open_at": last("claims_open_at"),
        "vetoes": count("PoolVetoed"),
        "fired_at": last("TriggerFired.time"),
        "fired_value": last("TriggerFired.value"),
        "unclaimed": last("unclaimed_after"),
        "claims": count("PayoutClaimed"),
        "claimed": sum_("PayoutClaimed.amount"),
        "allocated": sum_("VoucherAllocated.amount"),
        "redeemed": sum_("VoucherRedeemed.amount"),
        "refunded": sum_("FunderRefunded.amount"),
        "events": count(),
        "seq": max_("seq"),
    },
)

entries = fold(
    "entries",
    program="payouts",
    key=("pool", "entrant", "record"),
    doc="One row a record that someone entered in a round. fee: in the token's smallest unit.",
    columns={
        "fee": first("RoundEntered.fee"),
        "entered_at": first("RoundEntered.time"),
    },
)

claims = fold(
    "claims",
    program="payouts",
    key=("pool", "index"),
    doc="One row a leaf of a pool's tree that was paid, or became a voucher (voucher: 1).",
    columns={
        "account": last("PayoutClaimed.account", "VoucherAllocated.account"),
        "amount": last("PayoutClaimed.amount", "VoucherAllocated.amount"),
        "voucher": count("VoucherAllocated"),
        "claimed_at": last("PayoutClaimed.time", "VoucherAllocated.time"),
    },
)

vouchers = fold(
    "vouchers",
    program="payouts",
    key=("pool", "account"),
    doc="One row a beneficiary with a voucher. balance: what can still be redeemed.",
    columns={
        "allocated": sum_("VoucherAllocated.amount"),
        "redeemed": sum_("VoucherRedeemed.amount"),
        "balance": last("voucher_after"),
        "redemptions": count("VoucherRedeemed"),
        "last_at": last("VoucherAllocated.time", "VoucherRedeemed.time"),
    },
)

funders = fold(
    "funders",
    program="payouts",
    key=("pool", "funder"),
    doc="One row an address that funded a pool or was refunded. Entry fees, which are refunded "
    "like funding, stand in entries; receipt counts those before the last funding.",
    columns={
        "funded": sum_("PoolFunded.amount"),
        "receipt": last("PoolFunded.receipt_after"),
        "fundings": count("PoolFunded"),
        "refunded": sum_("FunderRefunded.amount"),
        "refunds": count("FunderRefunded"),
    },
)

vendors = fold(
    "vendors",
    program="payouts",
    key=("pool", "vendor"),
    doc="One row an account that a pool's operator named. allowed: whether it takes vouchers now.",
    columns={
        "allowed": last("VendorSet.allowed"),
        "since": last("VendorSet.time"),
    },
)

"""The accounts of `payouts`, those of projects' own contracts too."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Pda, Program, View

_OVER = "now >= r.expires_at OR r.status <> 1 AND now > r.publish_by"
"""Refunds have begun or could (P-15): from then on Solana's accounts may be taken away (P-17)."""
_PARTS = (
    "SELECT x.*, p.expires_at, p.publish_by, p.status FROM {{{0}}} AS x "
    "JOIN {{pools}} AS p USING (chain, pool)"
)

_SAME = (
    "creator", "operator", "guardian", "token", "kind", "project", "record", "by_height",
    "entry_fee", "publish_by", "challenge_delay", "expires_at", "feed", "comparator", "threshold",
    "trigger_by", "status", "funded", "refunded",
)  # fmt: skip

PAYOUTS = Program(
    "payouts",
    counter=("poolCount", "pools"),
    entities=(
        Entity(
            Account(
                "pools",
                key=("pool",),
                solana=Pda("Pool"),
                evm=View("getPool"),
                same=_SAME,
                also={"vouchers": "allocated - redeemed", "fired": "fired_at IS NOT NULL"},
                may_close=f"({_OVER}) AND coalesce(funded, 0) = claimed + redeemed + refunded",
            ),
            opened="PoolOpened",
            parts=(
                # what a veto or an expiry without publication has the chain forget, the fold keeps
                Account(
                    "pools",
                    key=("pool",),
                    solana=Pda("Pool"),
                    evm=View("getPool"),
                    same=("root", "total", "leaf_count", "manifest"),
                    also={"unclaimed": "total - claimed - allocated"},
                    where="status = 1",
                    may_close=_OVER,
                ),
                Account(
                    "vouchers",
                    key=("pool", "account"),
                    of=_PARTS.format("vouchers"),
                    solana=Pda("Voucher", (b"voucher", "pool", "account")),
                    evm=View("voucherOf", "amount"),
                    also={"amount": "balance", "nonce": "redemptions"},
                    may_close=_OVER,
                ),
                Account(
                    "entries",
                    key=("pool", "entrant", "record"),
                    of=_PARTS.format("entries"),
                    solana=Pda("Entry", (b"entry", "pool", "entrant", "record")),
                    evm=View("hasEntered", "entered"),
                    also={"entered": "true"},
                    may_close=_OVER,
                ),
            ),
            owed="coalesce(funded, 0) - claimed - redeemed - refunded",
        ),
    ),
)

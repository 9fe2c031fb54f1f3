"""The accounts of `contracts`."""

from __future__ import annotations

from indexer.verify.accounts import Account, Entity, Pda, Program, View

_PAID = "status IN (4, 5) AND coalesce(funded, 0) = coalesce(paid, 0)"
"""Settled or cancelled, and both parties have theirs: Solana's account may be taken away (A-17)."""

_SAME = (
    "proposer", "seller", "buyer", "arbiter", "token", "commodity", "terms", "quantity",
    "price_total", "feed", "price_cap", "price_floor", "seller_margin", "sign_by", "fund_by",
    "deliver_by", "accept_within", "rule_by", "default_split_bps", "status", "funded", "delivered",
    "price", "split_bps", "paid",
)  # fmt: skip

CONTRACTS = Program(
    "contracts",
    counter=("agreementCount", "agreements"),
    entities=(
        Entity(
            Account(
                "agreements",
                key=("agreement",),
                solana=Pda("Agreement"),
                evm=View("getAgreement"),
                same=_SAME,
                also={"accepted": "accepted_at IS NOT NULL", "ruled": "split_bps IS NOT NULL"},
                may_close=_PAID,
            ),
            opened="AgreementProposed",
            parts=(
                # a withdrawal takes from these what the fold keeps
                Account(
                    "agreements",
                    key=("agreement",),
                    solana=Pda("Agreement"),
                    evm=View("getAgreement"),
                    same=("owed_seller", "owed_buyer"),
                    where="coalesce(paid, 0) = 0",
                    may_close=_PAID,
                ),
            ),
            owed="coalesce(funded, 0) - coalesce(paid, 0)",
        ),
    ),
)

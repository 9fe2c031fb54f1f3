"""State of the `contracts` program: agreements, and what was delivered under them."""

from indexer.folds.algebra import count, first, fold, last, max_, sum_

agreements = fold(
    "agreements",
    program="contracts",
    key="agreement",
    doc="One row an agreement. status: 0 PendingSignature, 1 Signed, 2 Active, 3 Disputed, "
    "4 Settled, 5 Cancelled. Amounts in the token's smallest unit.",
    columns={
        "proposer": first("AgreementProposed.actor"),
        "seller": first("seller"),
        "buyer": first("buyer"),
        "arbiter": first("arbiter"),
        "token": first("token"),
        "commodity": first("commodity"),
        "terms": first("terms"),
        "cid": first("cid"),
        "title": first("title"),
        "unit": first("unit"),
        "quantity": first("AgreementProposed.quantity"),
        "price_total": first("price_total"),
        "feed": first("feed"),
        "price_cap": first("price_cap"),
        "price_floor": first("price_floor"),
        "seller_margin": first("seller_margin"),
        "proposed_at": first("AgreementProposed.time"),
        "sign_by": first("sign_by"),
        "fund_by": first("fund_by"),
        "deliver_by": first("deliver_by"),
        "accept_within": first("accept_within"),
        "rule_by": first("rule_by"),
        "default_split_bps": first("default_split_bps"),
        "status": last("status_after"),
        "signed_at": last("AgreementSigned.time"),
        "funded": last("funded_after"),
        "active_at": last("AgreementActivated.time"),
        "delivered": last("delivered_after"),
        "deliveries": count("DeliveryRecorded"),
        "accepted_at": last("DeliveryAccepted.time"),
        "disputed_at": last("DisputeOpened.time"),
        "split_bps": last("DisputeRuled.split_bps"),
        "price": last("PriceFixed.price"),
        "ended_at": last("AgreementSettled.time", "AgreementCancelled.time"),
        "owed_seller": last("owed_seller"),
        "owed_buyer": last("owed_buyer"),
        "paid": last("paid_after"),
        "cancels": count("CancelRequested"),
        "events": count(),
        "seq": max_("seq"),
    },
)

deliveries = fold(
    "deliveries",
    program="contracts",
    key=("agreement", "seq"),
    doc="One row a delivery that the seller recorded. Quantities in the agreement's unit.",
    columns={
        "quantity": last("DeliveryRecorded.quantity"),
        "delivered": last("DeliveryRecorded.delivered_after"),
        "evidence": last("DeliveryRecorded.evidence"),
        "recorded_at": last("DeliveryRecorded.time"),
    },
)

withdrawals = fold(
    "withdrawals",
    program="contracts",
    key=("agreement", "party"),
    doc="One row a party that was paid what it was owed, in the token's smallest unit.",
    columns={
        "paid": sum_("Withdrawn.amount"),
        "paid_at": last("Withdrawn.time"),
    },
)

"""What is due of `contracts`: agreements that time or the parties have decided, parties unpaid."""

from __future__ import annotations

from api.tx import contracts
from api.tx.model import CloseAgreement, FixPrice, OfAgreement, Withdraw
from pipelines.keeper.crank import Kind, Rank

_GONE = frozenset({"AgreementNotFound", "WrongAgreement"})
NO_FEED = "('0x' || repeat('0', 64), repeat('1', 32))"
"""The zero address as each chain writes it."""
RING = 64
"""Observations that a feed keeps (F-3)."""

_CANCEL = """
SELECT a.agreement AS entity, '' AS about, coalesce(a.funded, 0) AS worth
FROM agreements a JOIN head h ON h.chain = a.chain
WHERE a.chain = %(chain)s
  AND ((a.status = 0 AND h.time > a.sign_by) OR (a.status = 1 AND h.time > a.fund_by))
  AND (a.funded > 0 OR %(solana)s)
"""
# the feed's first observation from deliver_by on, told as such by the one before it, which
# the feed must still hold; none of it matters after rule_by.
_FIX_PRICE = f"""
SELECT a.agreement AS entity, '' AS about, a.funded AS worth,
       CASE WHEN o.round = 1 OR o.round - 1 > f.round - {RING} THEN o.round ELSE 0 END AS round
FROM agreements a
JOIN head h ON h.chain = a.chain
LEFT JOIN feeds f ON f.chain = a.chain AND f.feed = a.feed
LEFT JOIN LATERAL (
    SELECT min(n.round) AS round FROM observations n
    WHERE n.chain = a.chain AND n.feed = a.feed AND n.observed_at >= a.deliver_by
) o ON true
WHERE a.chain = %(chain)s AND a.status IN (2, 3) AND a.delivered > 0 AND a.price IS NULL
  AND a.feed NOT IN {NO_FEED}
  AND h.time > a.deliver_by
  AND (h.time > a.rule_by OR o.round = 1 OR o.round - 1 > f.round - {RING})
"""
# A-12; the delivery is finished when all of it is there, else at deliver_by
_SETTLE = f"""
SELECT a.agreement AS entity, '' AS about, a.funded AS worth
FROM agreements a
JOIN head h ON h.chain = a.chain
LEFT JOIN LATERAL (
    SELECT max(d.recorded_at) AS at FROM deliveries d
    WHERE d.chain = a.chain AND d.agreement = a.agreement
) last ON true
WHERE a.chain = %(chain)s
  AND ((a.status = 2 AND (
          (coalesce(a.delivered, 0) = 0 AND h.time > a.deliver_by)
          OR a.accepted_at IS NOT NULL
          OR h.time > a.accept_within * interval '1 second'
             + CASE WHEN a.delivered = a.quantity THEN last.at ELSE a.deliver_by END))
       OR (a.status = 3 AND (a.split_bps IS NOT NULL OR h.time > a.rule_by)))
  AND (a.feed IN {NO_FEED} OR coalesce(a.delivered, 0) = 0 OR a.price IS NOT NULL)
"""
_WITHDRAW = """
SELECT a.agreement AS entity, x.party AS about, x.owed AS worth, x.party
FROM agreements a
CROSS JOIN LATERAL (VALUES (a.seller, a.owed_seller), (a.buyer, a.owed_buyer)) AS x(party, owed)
LEFT JOIN withdrawals w
  ON w.chain = a.chain AND w.agreement = a.agreement AND w.party = x.party
WHERE a.chain = %(chain)s AND a.status IN (4, 5)
  AND coalesce(a.paid, 0) < a.owed_seller + a.owed_buyer
  AND x.owed > 0 AND w.party IS NULL
"""
_CLOSE = """
SELECT a.agreement AS entity, '' AS about, 0 AS worth
FROM agreements a
WHERE a.chain = %(chain)s AND a.status IN (4, 5)
  AND coalesce(a.paid, 0) >= coalesce(a.owed_seller, 0) + coalesce(a.owed_buyer, 0)
"""

KINDS = (
    Kind(
        "contracts",
        "withdraw",
        Rank.PAY,
        contracts.AGREEMENT,
        _WITHDRAW,
        lambda row, actor, to, agreement: contracts.withdraw(
            Withdraw(agreement=agreement.id, party=row["party"], actor=actor, destination=to),
            agreement,
        ),
        _GONE | {"NothingOwed"},
        lambda row, agreement: row["party"],
    ),
    Kind(
        "contracts",
        "fix_price",
        Rank.FREE,
        contracts.AGREEMENT,
        _FIX_PRICE,
        lambda row, actor, to, agreement: contracts.fix_price(
            FixPrice(agreement=agreement.id, actor=actor, round=int(row["round"])), agreement
        ),
        _GONE | {"PriceAlreadyFixed", "WrongStatus"},
    ),
    Kind(
        "contracts",
        "settle",
        Rank.FREE,
        contracts.AGREEMENT,
        _SETTLE,
        lambda row, actor, to, agreement: contracts.settle(
            OfAgreement(agreement=agreement.id, actor=actor), agreement
        ),
        _GONE | {"WrongStatus"},
    ),
    Kind(
        "contracts",
        "cancel",
        Rank.FREE,
        contracts.AGREEMENT,
        _CANCEL,
        lambda row, actor, to, agreement: contracts.cancel(
            OfAgreement(agreement=agreement.id, actor=actor), agreement
        ),
        _GONE | {"WrongStatus"},
    ),
    Kind(
        "contracts",
        "close",
        Rank.TIDY,
        contracts.AGREEMENT,
        _CLOSE,
        lambda row, actor, to, agreement: contracts.close(
            CloseAgreement(agreement=agreement.id, actor=actor, destination=to), agreement
        ),
        _GONE,
        lambda row, agreement: agreement.opened["buyer"],
        frozenset({"solana"}),
        silent=True,
    ),
)

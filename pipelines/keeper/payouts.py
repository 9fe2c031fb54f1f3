"""What is due of `payouts`: triggers, refunds, leaves of known trees, what an ended pool leaves."""

from __future__ import annotations

from solders.pubkey import Pubkey

from api.tx import payouts
from api.tx.entity import Entity
from api.tx.model import Claim, ClosePool, Fire, Reclaim, Refund
from pipelines.keeper.contracts import RING
from pipelines.keeper.crank import Kind, Rank, Row

_GONE = frozenset({"PoolNotFound", "WrongPool"})
_ENDED = """
(h.time >= p.expires_at OR p.status = 3 OR (p.status IN (0, 2) AND h.time > p.publish_by))
"""
# Entry fees count as funding (P-6); what has no receipt is paid nothing.
_RECEIPTS = """
(SELECT chain, pool, funder, sum(amount) AS amount FROM (
    SELECT chain, pool, funder, funded AS amount FROM funders WHERE chain = %(chain)s
    UNION ALL
    SELECT chain, pool, entrant, fee FROM entries WHERE chain = %(chain)s
 ) AS paid WHERE amount > 0 GROUP BY chain, pool, funder)
"""
# P-17; a page holds 8,192 leaves
_PARTS = """
(SELECT DISTINCT chain, pool, 'page' AS part, div("index", 8192)::text AS of
 FROM claims WHERE chain = %(chain)s
 UNION ALL SELECT chain, pool, 'entry', entrant || ' ' || record FROM entries
 WHERE chain = %(chain)s
 UNION ALL SELECT chain, pool, 'vendor', vendor FROM vendors WHERE chain = %(chain)s
 UNION ALL SELECT chain, pool, 'voucher', account FROM vouchers WHERE chain = %(chain)s)
"""
_UNREFUNDED = """
NOT EXISTS (SELECT FROM funders f
            WHERE f.chain = r.chain AND f.pool = r.pool AND f.funder = r.funder AND f.refunds > 0)
"""
_RECLAIMED = """
EXISTS (SELECT FROM keeper.done d
        WHERE d.chain = q.chain AND d.crank = 'payouts.reclaim' AND d.entity = q.pool
          AND d.about = q.part || ' ' || q.of)
"""

# P-9: any observation that the feed still holds will do; the newest stays fresh the longest
_FIRE = f"""
SELECT p.pool AS entity, '' AS about, p.funded AS worth, o.round
FROM pools p
JOIN head h ON h.chain = p.chain
JOIN feeds f ON f.chain = p.chain AND f.feed = p.feed
CROSS JOIN LATERAL (
    SELECT max(n.round) AS round FROM observations n
    WHERE n.chain = p.chain AND n.feed = p.feed AND n.round > f.round - {RING}
      AND n.observed_at > p.opened_at AND n.observed_at <= p.trigger_by
      AND h.time <= n.observed_at + f.heartbeat * interval '1 second'
      AND CASE p.comparator WHEN 1 THEN n.value >= p.threshold ELSE n.value <= p.threshold END
) o
WHERE p.chain = %(chain)s AND p.comparator > 0 AND p.fired_at IS NULL AND p.funded > 0
  AND p.status <> 3 AND h.time <= p.trigger_by AND o.round IS NOT NULL
"""
# P-15
_REFUND = f"""
SELECT p.pool AS entity, r.funder AS about,
       div((p.funded - p.claimed - p.redeemed) * r.amount, p.funded) AS worth, r.funder
FROM pools p
JOIN head h ON h.chain = p.chain
JOIN {_RECEIPTS} r ON r.chain = p.chain AND r.pool = p.pool
WHERE p.chain = %(chain)s AND {_ENDED}
  AND (p.funded - p.claimed - p.redeemed > 0 OR %(solana)s) AND {_UNREFUNDED}
"""
_RECLAIM = f"""
SELECT p.pool AS entity, q.part || ' ' || q.of AS about, 0 AS worth, q.part, q.of
FROM pools p
JOIN head h ON h.chain = p.chain
JOIN {_PARTS} q ON q.chain = p.chain AND q.pool = p.pool
WHERE p.chain = %(chain)s AND {_ENDED} AND NOT {_RECLAIMED}
"""
_CLOSE = f"""
SELECT p.pool AS entity, '' AS about, 0 AS worth
FROM pools p JOIN head h ON h.chain = p.chain
WHERE p.chain = %(chain)s AND {_ENDED}
  AND NOT EXISTS (SELECT FROM {_RECEIPTS} r
                  WHERE r.chain = p.chain AND r.pool = p.pool AND {_UNREFUNDED})
  AND NOT EXISTS (SELECT FROM {_PARTS} q
                  WHERE q.chain = p.chain AND q.pool = p.pool AND NOT {_RECLAIMED})
"""
# What the trees in the keeper's folder say, as long as the chain has the same root. A leaf of an
# Aid pool may be meant for a voucher: those are left to the people.
_CLAIM = """
SELECT p.pool AS entity, l."index"::text AS about, l.amount AS worth,
       l."index", l.account, l.amount, l.root, l.place
FROM pools p
JOIN head h ON h.chain = p.chain
JOIN keeper_leaf l ON l.chain = p.chain AND l.pool = p.pool AND l.root = p.root
WHERE p.chain = %(chain)s AND p.status = 1 AND p.kind <> 2
  AND (p.comparator = 0 OR p.fired_at IS NOT NULL)
  AND h.time >= p.claims_open_at AND h.time < p.expires_at
  AND NOT EXISTS (SELECT FROM claims c
                  WHERE c.chain = p.chain AND c.pool = p.pool AND c."index" = l."index")
"""


def _part(row: Row, pool: Entity) -> str:
    """The address of a page, entry, vendor or voucher (programs/SPEC.md, payouts)."""
    seeds = [row["part"].encode(), bytes(Pubkey.from_string(pool.id))]
    match row["part"]:
        case "page":
            seeds.append(int(row["of"]).to_bytes(8, "little"))
        case "entry":
            entrant, record = row["of"].split(" ")
            seeds += [bytes(Pubkey.from_string(entrant)), bytes.fromhex(record[2:])]
        case _:
            seeds.append(bytes(Pubkey.from_string(row["of"])))
    return str(Pubkey.find_program_address(seeds, Pubkey.from_string(pool.address))[0])


KINDS = (
    Kind(
        "payouts",
        "claim",
        Rank.PAY,
        payouts.POOL,
        _CLAIM,
        lambda row, actor, to, pool: payouts.claim(
            Claim(
                pool=pool.id,
                actor=actor,
                payer=None,
                index=int(row["index"]),
                account=row["account"],
                amount=str(row["amount"]),
                proof=row["proof"],
                destination=to,
            ),
            pool,
        ),
        _GONE | {"AlreadyClaimed"},
        lambda row, pool: row["account"],
    ),
    Kind(
        "payouts",
        "refund",
        Rank.PAY,
        payouts.POOL,
        _REFUND,
        lambda row, actor, to, pool: payouts.refund(
            Refund(pool=pool.id, actor=actor, funder=row["funder"], destination=to), pool
        ),
        _GONE | {"NothingToRefund", "WrongReceipt"},
        lambda row, pool: row["funder"],
    ),
    Kind(
        "payouts",
        "fire",
        Rank.FREE,
        payouts.POOL,
        _FIRE,
        lambda row, actor, to, pool: payouts.fire(
            Fire(pool=pool.id, actor=actor, round=int(row["round"])), pool
        ),
        _GONE | {"AlreadyFired"},
    ),
    Kind(
        "payouts",
        "reclaim",
        Rank.TIDY,
        payouts.POOL,
        _RECLAIM,
        lambda row, actor, to, pool: payouts.reclaim(
            Reclaim(pool=pool.id, actor=actor, part=_part(row, pool)), pool
        ),
        _GONE | {"WrongPart"},
        chains=frozenset({"solana"}),
        silent=True,
    ),
    Kind(
        "payouts",
        "close",
        Rank.TIDY,
        payouts.POOL,
        _CLOSE,
        lambda row, actor, to, pool: payouts.close(
            ClosePool(pool=pool.id, actor=actor, destination=to), pool
        ),
        _GONE,
        lambda row, pool: pool.opened["operator"],
        frozenset({"solana"}),
        silent=True,
    ),
)

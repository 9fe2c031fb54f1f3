"""What is due of `bets`: markets nobody resolved, bettors and fees unpaid, what can be closed."""

from __future__ import annotations

from api.tx import bets
from api.tx.model import ClaimBet, OfFees, OfMarket, OfPosition
from pipelines.keeper.crank import Kind, Rank

# A market that is gone was closed by somebody else.
_GONE = frozenset({"MarketNotFound", "WrongMarket"})

_VOID = """
SELECT m.market AS entity, '' AS about, coalesce(m.total, 0) AS worth
FROM markets m JOIN head h ON h.chain = m.chain
WHERE m.chain = %(chain)s AND m.status = 0 AND m.closed = 0 AND h.time > m.resolve_by
  -- an empty one owes nothing; its rent is all there is to get back
  AND (m.total > 0 OR %(solana)s)
"""
_CLAIM = """
SELECT m.market AS entity, p.bettor || ' ' || p.outcome AS about,
       CASE WHEN m.status = 2 THEN p.stake
            ELSE div(p.stake * m.net, m.winning_pool) END AS worth,
       p.bettor, p.outcome
FROM markets m JOIN positions p ON p.chain = m.chain AND p.market = m.market
WHERE m.chain = %(chain)s AND m.status IN (1, 2) AND m.closed = 0
  AND p.stake > 0 AND p.claimed = 0 AND p.closed = 0
  AND (m.status = 2 OR p.outcome = m.outcome)
"""
_COLLECT_FEE = """
SELECT m.market AS entity, '' AS about, m.fee AS worth
FROM markets m
WHERE m.chain = %(chain)s AND m.status = 1 AND m.closed = 0
  AND m.fee > 0 AND coalesce(m.fee_collected, 0) = 0
"""
_CLOSE_POSITION = """
SELECT m.market AS entity, p.bettor || ' ' || p.outcome AS about, 0 AS worth,
       p.bettor, p.outcome
FROM markets m JOIN positions p ON p.chain = m.chain AND p.market = m.market
WHERE m.chain = %(chain)s AND m.status IN (1, 2) AND m.closed = 0 AND p.closed = 0
  AND (p.claimed > 0 OR (m.status = 1 AND p.outcome <> m.outcome))
"""
_CLOSE = """
SELECT m.market AS entity, '' AS about, coalesce(m.total, 0) - coalesce(m.paid, 0) AS worth
FROM markets m
WHERE m.chain = %(chain)s AND m.status IN (1, 2) AND m.closed = 0
  AND (coalesce(m.fee, 0) = 0 OR m.fee_collected > 0)
  AND NOT EXISTS (SELECT FROM positions p
                  WHERE p.chain = m.chain AND p.market = m.market AND p.closed = 0)
"""

KINDS = (
    Kind(
        "bets",
        "claim",
        Rank.PAY,
        bets.MARKET,
        _CLAIM,
        lambda row, actor, to, market: bets.claim(
            ClaimBet(
                market=market.id,
                actor=actor,
                bettor=row["bettor"],
                outcome=row["outcome"],
                destination=to,
            ),
            market,
        ),
        _GONE | {"AlreadyClaimed", "NothingToClaim", "WrongPosition"},
        lambda row, market: row["bettor"],
    ),
    Kind(
        "bets",
        "collect_fee",
        Rank.PAY,
        bets.MARKET,
        _COLLECT_FEE,
        lambda row, actor, to, market: bets.collect_fee(
            OfFees(market=market.id, actor=actor, destination=to), market
        ),
        _GONE | {"FeeAlreadyCollected"},
        lambda row, market: market.opened["fee_recipient"],
    ),
    Kind(
        "bets",
        "void",
        Rank.FREE,
        bets.MARKET,
        _VOID,
        lambda row, actor, to, market: bets.void(OfMarket(market=market.id, actor=actor), market),
        _GONE | {"MarketNotOpen"},
    ),
    Kind(
        "bets",
        "close_position",
        Rank.TIDY,
        bets.MARKET,
        _CLOSE_POSITION,
        lambda row, actor, to, market: bets.close_position(
            OfPosition(market=market.id, actor=actor, bettor=row["bettor"], outcome=row["outcome"]),
            market,
        ),
        _GONE | {"NoPosition", "WrongPosition"},
    ),
    Kind(
        "bets",
        "close",
        Rank.TIDY,
        bets.MARKET,
        _CLOSE,
        lambda row, actor, to, market: bets.close(
            OfFees(market=market.id, actor=actor, destination=to), market
        ),
        _GONE,
        lambda row, market: market.opened["fee_recipient"],
    ),
)

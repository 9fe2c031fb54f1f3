"""Compute units of every instruction, held to programs/solana/CU.md to the unit.

CHAINFOLD_WRITE=1 pytest FILE writes the table anew.
"""

import os
from collections.abc import Callable, Iterator

from onsvm.bets import DAY, Bets
from onsvm.chain import REPOSITORY, Chain, Receipt, wallet

TABLE = REPOSITORY / "programs" / "solana" / "CU.md"
OWN_LIMIT = 2000
PER_BUMP = 410  # one more sha-256 and curve check in the search for a canonical bump

HEAD = """\
# Compute units

Measured by tests/programs/solana/test_compute_units.py in LiteSVM (solders 0.26, classic SPL
Token of 4,500 to 4,700 a transfer) and compared to the unit. *All* is what the instruction used.
*Own* is without its calls to the token and system programs and to itself for the event, and
without the 1,000 that the runtime asks for each call. The aim for *own* is 2,000; each bump that
is skipped in the search for the canonical address of a new account adds about 400 (the system
call for that search asks 1,500 for every one). *Skipped* counts them.

| program | instruction | case | all | own | skipped |
|---|---|---|---|---|---|
"""

Row = tuple[str, str, str, Receipt, int]


def skipped(chain: Chain, program: str, *seeds: bytes) -> int:
    from solders.pubkey import Pubkey

    address = chain.interfaces[program].address
    return 255 - Pubkey.find_program_address(list(seeds), address)[1]


def bets_rows() -> Iterator[Row]:
    chain = Chain()
    bets = Bets(chain)

    def bump(*seeds: bytes) -> int:
        return skipped(chain, "bets", *seeds)

    def opening(by: str, nonce: int) -> int:
        creator = wallet(by).pubkey()
        market = bets.market(creator, nonce)
        return bump(b"market", bytes(creator), nonce.to_bytes(8, "little")) + bump(
            b"vault", bytes(market)
        )

    def first(by: str) -> int:
        return bump(b"creator", bytes(wallet(by).pubkey()))

    def row(name: str, case: str, receipt: Receipt, searched: int = 0) -> Row:
        return "bets", name, case, receipt, searched

    market = bets.next_market("opener")
    searched = opening("opener", 0) + first("opener") + bump(b"counter")
    yield row("open", "the program's first", bets.send(bets.open()), searched)
    searched = opening("carol", 0) + first("carol")
    yield row("open", "the creator's first", bets.send(bets.open("carol")), searched)
    voided = bets.next_market("opener")
    yield row("open", "", bets.send(bets.open()), opening("opener", 1))
    long = bets.open(cid="b" * 59, title="x" * 300)
    yield row("open", "359 bytes of text", bets.send(long), opening("opener", 2))

    def position(by: str, outcome: int) -> int:
        key = bytes(wallet(by).pubkey())
        return bump(b"position", bytes(market), key, bytes([outcome]))

    yield row("place", "new position", bets.placed("alice", market, 0, 600), position("alice", 0))
    yield row("place", "", bets.placed("alice", market, 0, 1))
    bets.placed("bob", market, 0, 2**63)
    bets.placed("carol", market, 1, 2**62)
    bets.placed("dave", voided, 1, 5)
    chain.at(DAY)
    yield row("resolve", "", bets.send(bets.resolve("resolver", market, 0)))
    yield row("void", "", bets.send(bets.void("resolver", voided)))
    yield row("claim", "small", bets.send(bets.claim("dave", market, "alice", 0)))
    yield row("claim", "128-bit product", bets.send(bets.claim("dave", market, "bob", 0)))
    yield row("claim", "voided", bets.send(bets.claim("dave", voided, "dave", 1)))
    yield row("collect_fee", "", bets.send(bets.collect_fee("dave", market)))
    for bettor, outcome in (("alice", 0), ("bob", 0)):
        bets.send(bets.close_position("dave", market, bettor, outcome))
    closed = bets.send(bets.close_position("dave", market, "carol", 1))
    yield row("close_position", "", closed)
    yield row("close", "with dust", bets.send(bets.close("dave", market)))
    bets.send(bets.close_position("dave", voided, "dave", 1))
    yield row("close", "empty", bets.send(bets.close("dave", voided)))


MEASURED: list[Callable[[], Iterator[Row]]] = [bets_rows]


def test_table() -> None:
    """Own compute units are within the aim, and the table says what is."""
    rows = [row for measure in MEASURED for row in measure()]
    lines = HEAD
    for program, name, case, receipt, searched in rows:
        lines += (
            f"| {program} | {name} | {case} | {receipt.cost:,} | {receipt.own:,} | {searched} |\n"
        )
        if name != "open":  # makes two accounts and a vault; see the table
            assert receipt.own - searched * PER_BUMP <= OWN_LIMIT, (program, name, case)
    tail = ""
    if TABLE.exists():
        tail = TABLE.read_text().partition("\n## ")[2]
        tail = "\n## " + tail if tail else ""
    if os.environ.get("CHAINFOLD_WRITE"):
        TABLE.write_text(lines + tail)
    assert TABLE.read_text() == lines + tail

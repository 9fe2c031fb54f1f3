"""The reference programs' folds over real events: the same story on both chains, literal rows."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.rows import dict_row
from support.accounts import against_chains, contradicted
from support.index import index_once

from indexer import config as configuration
from indexer import store
from indexer.config import Config
from indexer.verify import verify
from localnet.network import Localnet
from localnet.play import Player, play
from localnet.stories.action import Action, Script, Step
from localnet.stories.feeds import DECIMALS, FEED, PUBLISHER
from localnet.stories.payouts import AID, REVENUE, ROUND
from localnet.stories.projects import C2C, PAUSED, PROJECT, digest
from localnet.wallets import Cast

CHAINS = ("anvil", "solana")
CAST = Cast(7, bettors=4, creators=1, resolvers=1)
SELLER, BUYER, ARBITER, OPERATOR = "bettor-0", "bettor-1", "resolver-0", "creator-0"
PENDING, SIGNED, ACTIVE, DISPUTED, SETTLED, CANCELLED = range(6)
FUNDING, PUBLISHED, VETOED, EXPIRED = range(4)


def feed() -> Iterator[Step]:
    terms = {"decimals": DECIMALS, "heartbeat": 86_400, "name": "Coffee C", "unit": "USD/t"}
    yield Action(0, "feeds", FEED, "open", 0, PUBLISHER, terms)
    for value in (-3, 41_000):
        yield Action(0, "feeds", FEED, "publish", 1, PUBLISHER, {"value": value})


def agreement(number: int) -> Script:
    script = Script("contracts", ("agreement", number), 0)
    script.open(
        "propose", SELLER,
        {"sign_by": 60, "fund_by": 120, "deliver_by": 180, "rule_by": 300}, {"accept_within": 60},
        seller=SELLER, buyer=BUYER, arbiter=ARBITER, commodity=digest("coffee"),
        terms=digest(f"terms {number}"), quantity=100, price_total=1_000_000, feed=None,
        price_cap=0, price_floor=0, price_mul=0, price_div=0, seller_margin=50_000,
        default_split_bps=5_000, cid="bafy", title=f"Coffee {number}", unit="kg",
    )  # fmt: skip
    return script


def activated(number: int) -> Script:
    script = agreement(number)
    script.then("sign", BUYER)
    script.then("fund", BUYER)
    script.then("fund", SELLER)
    return script


def agreements() -> Iterator[Script]:
    """Partly delivered; disputed and ruled; never signed."""
    partial = activated(0)
    for quantity in (30, 30):
        partial.then("record_delivery", SELLER, quantity=quantity, evidence=digest("waybill"))
    partial.then("accept", BUYER, after="deliver_by")
    partial.then("settle", "stranger")
    partial.then("withdraw", SELLER, party=SELLER)
    yield partial
    ruled = activated(1)
    ruled.then("record_delivery", SELLER, quantity=100, evidence=digest("wet"))
    ruled.then("dispute", BUYER, reason=digest("wet"))
    ruled.then("rule", ARBITER, split_bps=2_500)
    ruled.then("settle", "stranger")
    ruled.then("withdraw", BUYER, party=BUYER)
    ruled.then("withdraw", SELLER, party=SELLER)
    yield ruled
    unsigned = agreement(2)
    unsigned.then("cancel", "stranger", after="sign_by")
    yield unsigned


def pool(number: int, kind: int, **more: Any) -> Script:
    script = Script("payouts", ("pool", number), 0)
    deadlines = {"publish_by": 600.0, **more.pop("deadlines", {})}
    script.open(
        "open", OPERATOR, deadlines, {"challenge_delay": 60}, (FEED, PROJECT),
        operator=OPERATOR, guardian=ARBITER, pool_kind=kind, record=digest("video"), cid="",
        title=f"Pool {number}", **{"entry_fee": 0, "feed": None, "threshold": 0, "project": None}
        | more,
    )  # fmt: skip
    return script


def pools() -> Iterator[Script]:
    """Vouchers in a project's pool once a trigger fired; a round; one that is never published."""
    aid = pool(
        0, AID, feed=FEED, threshold=40_000, project=PROJECT, deadlines={"trigger_by": 1_200.0}
    )
    aid.then("fund", SELLER, amount=700)
    aid.then("fund", BUYER, amount=500)
    aid.then("fund", SELLER, amount=1)
    shares = (("bettor-2", 300), ("bettor-3", 400), ("bettor-2", 20), (BUYER, 10))
    aid.then("publish", OPERATOR, shares=shares, starts="challenge_delay")
    aid.then("set_vendor", OPERATOR, vendor="treasury", allowed=True)
    seen = {"feed": FEED, "value": 45_000}
    aid.then("publish", PUBLISHER, program="feeds", after="challenge_delay", **seen)
    aid.then("fire", "stranger", feed=FEED, threshold=40_000)
    aid.then("allocate", "stranger", index=0)
    aid.then("allocate", "stranger", index=2)
    aid.then("claim", "stranger", index=1)
    aid.then("redeem", "stranger", account="bettor-2", vendor="treasury", amount=120)
    aid.then("allocate", "stranger", index=3)
    aid.then("redeem", "stranger", account=BUYER, vendor="treasury", amount=10)
    yield aid
    contest = pool(1, ROUND, entry_fee=5, deadlines={"closes_at": 120.0})
    for entrant in (SELLER, BUYER):
        contest.then("enter", entrant, record=digest(f"clip of {entrant}"))
    contest.then(
        "publish", OPERATOR, shares=((BUYER, 10),), after="closes_at", starts="challenge_delay"
    )
    contest.then("veto", ARBITER)
    contest.then("publish", OPERATOR, shares=((SELLER, 10),), starts="challenge_delay")
    contest.then("claim", SELLER, index=0, after="challenge_delay")
    yield contest
    left = pool(2, REVENUE)
    left.then("fund", SELLER, amount=1_000)
    left.then("fund", BUYER, amount=2_000)
    left.then("refund", "stranger", funder=SELLER, after="publish_by")
    yield left


def project() -> Script:
    script = Script("projects", PROJECT, 0)
    script.open(
        "create", OPERATOR, {"due_at": 3_600.0}, project_kind=C2C, organisation=digest("org"),
        budget=5_000, cid="", title="Wells",
    )  # fmt: skip
    script.then("add_milestone", OPERATOR, digest=digest("dig"))
    script.then("add_milestone", OPERATOR, digest=digest("pump"))
    script.then("complete_milestone", OPERATOR, milestone=1, evidence=digest("photo"))
    # once no pool needs the project any more
    script.then("update", OPERATOR, budget=6_000, status=PAUSED, after="due_at")
    return script


def told() -> Iterator[Step]:
    yield from feed()
    for script in (project(), *agreements(), *pools()):
        # at once: the chain's clock travels
        yield from (dataclasses.replace(action, at=0.0) for action in script)


@dataclasses.dataclass
class Indexed:
    """Both chains' tables. ``ids``: what the story's entities are called on each chain."""

    config: Config
    ids: dict[tuple[str, str, int], str]
    names: dict[tuple[str, str], str]
    findings: list[Any]

    @property
    def url(self) -> str:
        assert self.config.database.url is not None
        return self.config.database.url

    def row(self, chain: str, table: str, **key: Any) -> dict[str, Any]:
        """The one row with this key."""
        condition = " AND ".join(f'"{name}" = %({name})s' for name in ("chain", *key))
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            sql = f"SELECT * FROM chainfold.{table} WHERE {condition}"
            (found,) = connection.execute(sql, {"chain": chain, **key}).fetchall()
        return found

    def id(self, chain: str, kind: str, number: int) -> str:
        return self.ids[chain, kind, number]

    def who(self, chain: str, name: str) -> str:
        """An actor's address as the tables have it."""
        return self.names[chain, name]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Indexed]:
    home = tmp_path_factory.mktemp("localnet")
    url = urlunsplit(urlsplit(postgres_server)._replace(path="/folds_of_programs"))
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE folds_of_programs")
    with asyncio.Runner() as runner:
        net = Localnet(home, cast=CAST, slot_ms=100, finality=4)
        runner.run(net.__aenter__())
        try:
            players = net.players(travels=True)
            runner.run(play(players, told, None))
            for player in players:
                assert [s for s in player.sent if not s.expected] == []
            config = configuration.load(net.config)
            config = dataclasses.replace(
                config, database=dataclasses.replace(config.database, url=url)
            )
            index_once(config)
            yield Indexed(config, _ids(players), _names(net), _verified(config))
        finally:
            runner.run(net.__aexit__(None, None, None))
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("DROP DATABASE folds_of_programs WITH (FORCE)")


def _ids(players: list[Player]) -> dict[tuple[str, str, int], str]:
    return {
        (player.chain.chain, kind, number): entity.id
        for player in players
        for (kind, number), entity in player.entities.items()
    }


def _names(net: Localnet) -> dict[tuple[str, str], str]:
    evm = {("anvil", name): net.evm.client.address(name).lower() for name in CAST}
    return evm | {("solana", name): str(net.solana.client.address(name)) for name in CAST}


def _verified(config: Config) -> list[Any]:
    with store.opened(config) as opened, opened.connect("test") as connection:
        return verify(opened, connection)


def part(row: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in expected}


def test_folds_are_their_oracle_and_no_seq_has_a_hole(indexed: Indexed) -> None:
    assert [f for f in indexed.findings if not f.ok] == []
    assert {f.what.split()[1] for f in indexed.findings if f.what.startswith("fold")} >= {
        "agreements", "deliveries", "feeds", "projects", "pools", "entries", "claims", "vouchers",
        "funders",
    }  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
def test_agreements(indexed: Indexed, chain: str) -> None:
    row = indexed.row(chain, "agreements", agreement=indexed.id(chain, "agreement", 0))
    expected = {
        "proposer": indexed.who(chain, SELLER), "seller": indexed.who(chain, SELLER),
        "buyer": indexed.who(chain, BUYER), "arbiter": indexed.who(chain, ARBITER),
        "terms": "0x" + digest("terms 0").hex(), "title": "Coffee 0", "unit": "kg", "cid": "bafy",
        "quantity": 100, "price_total": 1_000_000, "seller_margin": 50_000, "status": SETTLED,
        "accept_within": 60_000, "funded": 1_050_000, "delivered": 60, "deliveries": 2,
        "split_bps": None, "price": None, "owed_seller": 630_000, "owed_buyer": 420_000,
        "paid": 630_000, "cancels": 0, "events": 10, "seq": 10,
    }  # fmt: skip
    assert part(row, expected) == expected
    assert row["proposed_at"] <= row["signed_at"] <= row["active_at"] < row["deliver_by"]
    assert row["deliver_by"] < row["accepted_at"] <= row["ended_at"]
    assert row["disputed_at"] is None

    ruled = indexed.row(chain, "agreements", agreement=indexed.id(chain, "agreement", 1))
    expected = {
        "status": SETTLED, "delivered": 100, "deliveries": 1, "split_bps": 2_500,
        "owed_seller": 262_500, "owed_buyer": 787_500, "paid": 1_050_000, "accepted_at": None,
        "events": 11, "seq": 11,
    }  # fmt: skip
    assert part(ruled, expected) == expected
    assert ruled["disputed_at"] is not None

    unsigned = indexed.row(chain, "agreements", agreement=indexed.id(chain, "agreement", 2))
    expected = {
        "status": CANCELLED, "signed_at": None, "funded": None, "owed_seller": 0, "owed_buyer": 0,
        "paid": None, "events": 2,
    }  # fmt: skip
    assert part(unsigned, expected) == expected
    assert unsigned["ended_at"] > unsigned["sign_by"]


@pytest.mark.parametrize("chain", CHAINS)
def test_deliveries(indexed: Indexed, chain: str) -> None:
    agreement = indexed.id(chain, "agreement", 0)
    for seq, delivered in ((6, 30), (7, 60)):
        row = indexed.row(chain, "deliveries", agreement=agreement, seq=seq)
        expected = {"quantity": 30, "delivered": delivered}
        expected |= {"evidence": "0x" + digest("waybill").hex()}
        assert part(row, expected) == expected
        assert row["recorded_at"] is not None


@pytest.mark.parametrize("chain", CHAINS)
def test_pools_of_a_project_with_vouchers(indexed: Indexed, chain: str) -> None:
    pool = indexed.id(chain, "pool", 0)
    row = indexed.row(chain, "pools", pool=pool)
    expected = {
        "creator": indexed.who(chain, OPERATOR), "guardian": indexed.who(chain, ARBITER),
        "project": indexed.id(chain, "project", 0), "kind": AID, "by_height": False,
        "status": PUBLISHED, "funded": 1_201, "total": 730, "leaf_count": 4, "threshold": 40_000,
        "fired_value": 45_000, "claims": 1, "claimed": 400, "allocated": 330, "redeemed": 130,
        "refunded": 0, "unclaimed": 0, "vetoes": 0, "entries": 0, "challenge_delay": 60_000,
    }  # fmt: skip
    assert part(row, expected) == expected
    assert row["published_at"] < row["claims_open_at"] <= row["fired_at"]

    funder = indexed.row(chain, "funders", pool=pool, funder=indexed.who(chain, SELLER))
    expected = {"funded": 701, "receipt": 701, "fundings": 2, "refunded": 0, "refunds": 0}
    assert part(funder, expected) == expected

    beneficiary = indexed.who(chain, "bettor-2")
    voucher = indexed.row(chain, "vouchers", pool=pool, account=beneficiary)
    expected = {"allocated": 320, "redeemed": 120, "balance": 200, "redemptions": 1}
    assert part(voucher, expected) == expected

    spent = indexed.row(chain, "vouchers", pool=pool, account=indexed.who(chain, BUYER))
    expected = {"allocated": 10, "redeemed": 10, "balance": 0, "redemptions": 1}
    assert part(spent, expected) == expected

    for index, amount, account, vouchers in (
        (0, 300, "bettor-2", 1), (1, 400, "bettor-3", 0), (2, 20, "bettor-2", 1),
    ):  # fmt: skip
        claim = indexed.row(chain, "claims", pool=pool, index=index)
        expected = {"account": indexed.who(chain, account), "amount": amount, "voucher": vouchers}
        assert part(claim, expected) == expected


@pytest.mark.parametrize("chain", CHAINS)
def test_a_round_and_a_pool_that_is_refunded(indexed: Indexed, chain: str) -> None:
    contest = indexed.id(chain, "pool", 1)
    row = indexed.row(chain, "pools", pool=contest)
    expected = {
        "kind": ROUND, "status": PUBLISHED, "entry_fee": 5, "entries": 2, "funded": 10,
        "vetoes": 1, "claims": 1, "claimed": 10, "unclaimed": 0, "project": row["project"],
    }  # fmt: skip
    assert part(row, expected) == expected
    entry = indexed.row(
        chain, "entries", pool=contest, entrant=indexed.who(chain, BUYER),
        record="0x" + digest(f"clip of {BUYER}").hex(),
    )  # fmt: skip
    assert entry["fee"] == 5

    left = indexed.id(chain, "pool", 2)
    expected = {"status": EXPIRED, "funded": 3_000, "refunded": 1_000, "total": None, "claims": 0}
    assert part(indexed.row(chain, "pools", pool=left), expected) == expected
    funder = indexed.row(chain, "funders", pool=left, funder=indexed.who(chain, SELLER))
    expected = {"funded": 1_000, "fundings": 1, "refunded": 1_000, "refunds": 1}
    assert part(funder, expected) == expected


@pytest.mark.parametrize("chain", CHAINS)
def test_projects_and_feeds(indexed: Indexed, chain: str) -> None:
    row = indexed.row(chain, "projects", project=indexed.id(chain, "project", 0))
    expected = {
        "owner": indexed.who(chain, OPERATOR), "kind": C2C, "budget": 6_000, "status": PAUSED,
        "milestones": 2, "milestones_done": 1, "title": "Wells", "events": 5, "seq": 5,
    }  # fmt: skip
    assert part(row, expected) == expected

    feed = indexed.row(chain, "feeds", feed=indexed.id(chain, "feed", 0))
    expected = {
        "publisher": indexed.who(chain, PUBLISHER), "name": "Coffee C", "decimals": DECIMALS,
        "heartbeat": 86_400, "round": 3, "value": 45_000, "observations": 3, "seq": 4,
    }  # fmt: skip
    assert part(feed, expected) == expected


def test_accounts_and_vaults_are_the_folds(indexed: Indexed) -> None:
    found = {f.what: f for f in against_chains(indexed.config)}
    assert "\n".join(f"{f.what}: {f.detail}" for f in found.values() if not f.ok) == ""
    for chain in CHAINS:
        for program in ("contracts", "payouts", "projects", "feeds"):
            assert f"{chain}: the counter of {program} = rows" in found
        for program, owed in (("contracts", 420_000), ("payouts", 671 + 2_000)):
            vaults = found[f"{chain}: vaults of {program} hold what is owed"]
            assert vaults.detail == f"{owed} owed, all of it is there"
    accounts = found["anvil: accounts of payouts = folds"]
    assert accounts.detail == "2 entries, 3 pools, 2 vouchers, 0 differ"


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        ("agreements", "UPDATE {} SET price_total = 7 WHERE status = 4",
         "price_total is 1000000 on the chain, 7 in the folds"),
        ("agreements", "UPDATE {} SET owed_buyer = 1 WHERE status = 5",
         "owed_buyer is 0 on the chain, 1"),
        ("agreements", "UPDATE {} SET deliver_by = deliver_by + interval '1 s'", "deliver_by is "),
        ("agreements", "UPDATE {} SET seq = 9 WHERE seq = 10",
         "seq 10 on the chain, 9 in the folds"),
        ("agreements", "DELETE FROM {} WHERE status = 5", "counts 3, 2 rows"),
        ("pools", "UPDATE {} SET refunded = 0", "refunded is 1000 on the chain, 0 in the folds"),
        ("pools", "UPDATE {} SET funded = funded + 1 WHERE status = 3", "funded is 3000"),
        ("pools", "UPDATE {} SET redeemed = redeemed - 1 WHERE redeemed > 0", "vouchers is 200"),
        ("pools", "UPDATE {} SET claimed = 0 WHERE claimed = 10", "unclaimed is 0"),
        ("pools", "UPDATE {} SET root = '0x00' WHERE status = 1", "root is 0x"),
        ("pools", "DELETE FROM {} WHERE status = 3", "counts 3, 2 rows"),
        ("vouchers", "UPDATE {} SET balance = 7 WHERE balance = 200",
         "amount is 200 on the chain, 7 in the folds"),
        ("projects", "UPDATE {} SET budget = 1", "budget is 6000 on the chain, 1 in the folds"),
        ("projects", "UPDATE {} SET milestones_done = 2", "milestones_done is 1"),
        ("projects", "DELETE FROM {}", "the counter of projects = rows: counts 1, 0 rows"),
        ("feeds", "UPDATE {} SET heartbeat = 1", "heartbeat is 86400 on the chain, 1"),
        ("feeds", "UPDATE {} SET seq = 3", "seq 4 on the chain, 3 in the folds"),
        ("observations", "UPDATE {} SET value = 1 WHERE round = 1", "value is -3 on the chain, 1"),
    ],
)  # fmt: skip
def test_a_fold_that_an_account_contradicts_is_named(
    indexed: Indexed,
    monkeypatch: pytest.MonkeyPatch,
    chain: str,
    table: str,
    change: str,
    says: str,
) -> None:
    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.2)
    told = contradicted(indexed.config, table, change)
    assert any(line.startswith(f"{chain}: ") and says in line for line in told.splitlines()), told


def test_a_vault_that_holds_less_than_is_owed_is_named(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.2)
    told = contradicted(indexed.config, "pools", "UPDATE {} SET funded = 3001 WHERE status = 3")
    told += contradicted(indexed.config, "agreements", "UPDATE {} SET paid = NULL WHERE seq = 11")
    for chain in CHAINS:
        for program in ("payouts", "contracts"):
            assert f"{chain}: vaults of {program} hold what is owed: " in told


def test_an_entry_that_no_contract_has_is_named(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On EVM only: the pool has expired, so that Solana's accounts may have been reclaimed."""
    monkeypatch.setattr("indexer.verify.compare.PATIENCE", 0.2)
    change = "UPDATE {} SET record = '0x" + "07" * 32 + "'"
    told = contradicted(indexed.config, "entries", change)
    assert "anvil: pools 0x" in told
    assert "entered is not there on the chain, 1 in the folds" in told

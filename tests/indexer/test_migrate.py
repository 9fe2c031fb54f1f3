"""Changed declarations: nothing goes on with stale tables, and a migration makes them true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import anvil as anvils
from support.anvil import Anvil
from support.index import index_once, tables

from indexer import config as configuration
from indexer import store
from indexer.errors import Fatal, Retryable
from indexer.migrate import migrate, reindex
from indexer.verify import verify

ROOT = Path(__file__).resolve().parents[2]
ABI = ROOT / "programs" / "interfaces" / "Bets.abi.json"
FOLDS = """
from indexer.folds import count, first, fold, last, max_, sum_

markets = fold(
    "markets", program="bets", key="market",
    columns={"title": first("title"), "bets": count("BetPlaced"), "total": last("total_after")},
)
bettors = fold(
    "bettors", program="bets", key="bettor",
    columns={"bets": count("BetPlaced"), "staked": sum_("BetPlaced.amount")},
)
"""
Databases = Callable[[], str]
Abi = list[dict[str, Any]]


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with anvils.running() as node:
        node.open()
        node.bet(4)
        node.mine(80)
        node.open("second")
        node.bet(3, amount=1000)
        yield node


class Project:
    """chainfold.toml, an ABI and folds that a test changes between two runs."""

    def __init__(self, folder: Path, chain: Anvil, url: str) -> None:
        self.folder, self.chain, self.url = folder, chain, url
        self.abi: Abi = json.loads(ABI.read_text())
        self.folds = FOLDS
        self.address = chain.bets.address

    def event(self, name: str) -> dict[str, Any]:
        return next(e for e in self.abi if e["type"] == "event" and e["name"] == name)

    def config(self, url: str | None = None) -> configuration.Config:
        (self.folder / "abi.json").write_text(json.dumps(self.abi))
        (self.folder / "folds.py").write_text(self.folds)
        toml = self.folder / "chainfold.toml"
        toml.write_text(
            f'[database]\nurl = "{url or self.url}"\n[chains.anvil]\nkind = "evm"\n'
            f'chain_id = 31337\nrpc = ["{self.chain.url}"]\n[[programs]]\nname = "bets"\n'
            f'chain = "anvil"\naddress = "{self.address}"\ninterface = "abi.json"\n'
            '[folds]\nmodules = ["folds.py"]\n'
        )
        return configuration.load(toml)

    def refused(self) -> str:
        """What `chainfold index` says; one line that names the command."""
        with pytest.raises(Fatal) as error:
            index_once(self.config())
        line = str(error.value)
        assert line.endswith("run `chainfold migrate`")
        assert "\n" not in line
        return line

    def migrated(self) -> list[str]:
        said: list[str] = []
        migrate(self.config(), said.append)
        return said

    def assert_true(self, databases: Databases) -> None:
        """The tables equal those of an index from nothing, and prove themselves."""
        index_once(self.config())
        fresh = databases()
        index_once(self.config(fresh))
        assert tables(self.url) == tables(fresh)
        with store.opened(self.config()) as opened, opened.connect("test") as connection:
            assert [f for f in verify(opened, connection) if not f.ok] == []


@pytest.fixture
def project(tmp_path: Path, chain: Anvil, postgres_url: str) -> Project:
    made = Project(tmp_path, chain, postgres_url)
    index_once(made.config())
    return made


def sources(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT s.id, s.events, lower(c.heights), upper(c.heights) FROM chainfold.source s "
            "LEFT JOIN chainfold.coverage c ON c.source @> s.id ORDER BY s.id, 3"
        ).fetchall()


def test_nothing_changed_is_nothing_to_do(project: Project, databases: Databases) -> None:
    before = tables(project.url)
    assert project.migrated() == []
    project.folds += "# a comment\n"
    for entry in project.abi:
        for field in entry.get("inputs", []):
            field["internalType"] = "other words for the same"
    assert project.migrated() == []
    assert tables(project.url) == before
    project.assert_true(databases)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('last("total_after")', 'last("total_after", where="seq > 2")'),
        ('"title": first("title")', '"name": first("title"), "seq": max_("seq")'),
        ('key="market"', 'key=("market", "actor")'),
        ('"bets": count("BetPlaced"), "total": last("total_after")', '"bets": count("BetPlaced")'),
    ],
)
def test_a_changed_fold_is_rebuilt_from_the_events(
    project: Project, databases: Databases, old: str, new: str
) -> None:
    assert old in project.folds
    project.folds = project.folds.replace(old, new, 1)
    assert "fold markets changed" in project.refused()
    before = sources(project.url)
    assert project.migrated() == ["fold markets changed"]
    assert sources(project.url) == before
    project.assert_true(databases)


def test_a_new_fold_gets_the_events_that_are_in(project: Project, databases: Databases) -> None:
    project.folds = project.folds.replace("bettors", "people")
    line = project.refused()
    assert "fold people is new over events that are in" in line
    assert "fold bettors is no longer declared" in line
    project.migrated()
    assert "bettors" not in tables(project.url)
    assert len(tables(project.url)["people"]) == 3
    project.assert_true(databases)


def test_a_changed_event_is_fetched_again_and_no_other(
    project: Project, databases: Databases
) -> None:
    """Two fields of one type trade names: the table is as before, its rows are not."""
    inputs = project.event("BetPlaced")["inputs"]
    names = [i["name"] for i in inputs]
    pool, total = names.index("poolAfter"), names.index("totalAfter")
    inputs[pool]["name"], inputs[total]["name"] = "totalAfter", "poolAfter"
    assert "event BetPlaced(" in project.refused()
    before = tables(project.url)
    project.migrated()
    after = tables(project.url)
    assert after["bets_bet_placed"] == []
    assert after["bets_market_opened"] == before["bets_market_opened"]
    placed = [s for s in sources(project.url) if any("BetPlaced" in e for e in s[1])]
    assert placed == []
    project.assert_true(databases)
    first, second = {s[0]: s[1] for s in sources(project.url)}.values()
    assert len(first) == 7
    assert second == [
        "BetPlaced(bytes32,uint64,address,address,uint8,uint120,uint120,uint120,uint120)"
    ]


def test_a_renamed_field_and_an_event_that_went(project: Project, databases: Databases) -> None:
    project.event("MarketOpened")["inputs"][-1]["name"] = "headline"
    project.abi.remove(project.event("PositionClosed"))
    project.folds = project.folds.replace('first("title")', 'first("headline")')
    line = project.refused()
    assert "event PositionClosed(bytes32,uint64,address,address,uint8,address)" in line
    project.migrated()
    assert "bets_position_closed" not in tables(project.url)
    project.assert_true(databases)
    project.abi = json.loads(ABI.read_text())
    project.folds = FOLDS
    project.migrated()
    project.assert_true(databases)


def test_another_address_leaves_nothing_of_the_one_before(
    project: Project, databases: Databases, chain: Anvil
) -> None:
    built = chain.web3.eth.contract(abi=chain.bets.abi, bytecode=_bytecode())  # type: ignore[call-overload]
    sent = built.constructor().transact({"from": chain.web3.eth.accounts[0]})
    address = chain.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    before, project.address = project.address, address
    assert f"{before.lower()} on anvil is no longer configured" in project.refused()
    project.migrated()
    project.assert_true(databases)
    assert tables(project.url)["markets"] == []


VIEW = """
from indexer.folds import join, view

shares = view(
    "shares", of="bettors", joins=[join("largest", bettor="bettor")],
    columns={
        "share": "bettors.staked * 100 / largest.most",
        "past": "head.time >= bettors.last_at",
    },
    where="bettors.bets > 1",
)
largest = fold("largest", program="bets", key="bettor", columns={"most": max_("amount")})
"""


def test_a_view_is_made_changed_and_dropped_and_stands_a_migration(
    project: Project, databases: Databases
) -> None:
    def shares() -> list[tuple[Any, ...]]:
        with psycopg.connect(project.url) as connection:
            found = connection.execute("SELECT share::int8, past FROM chainfold.shares").fetchall()
        return sorted(found)

    project.folds = FOLDS.replace('sum_("BetPlaced.amount")', 'sum_("amount")').replace(
        '"staked"', '"last_at": last("BetPlaced.time"), "staked"'
    )
    project.folds += VIEW
    project.migrated()
    index_once(project.config())
    assert shares() == [(110, True), (110, True), (120, True)]
    project.folds = project.folds.replace("* 100 /", "* 1000 /")
    index_once(project.config())
    assert all(share > 1000 for share, _ in shares())
    project.folds = project.folds.replace('"title": first', '"name": first')
    project.migrated()
    project.assert_true(databases)
    assert len(shares()) == 3
    good = project.folds
    for text, says in (("largest.most", "column largest.mst"), ("* 1000", "syntax error")):
        wrong = {"largest.most": "largest.mst", "* 1000": "* * 1000 ("}[text]
        project.folds = good.replace(text, wrong)
        with pytest.raises(Fatal, match=rf"view 'shares': .*{says}"):
            index_once(project.config())
    project.folds = good.replace('bettor="bettor"', 'bettor="gambler"')
    with pytest.raises(Fatal, match=r"largest.bettor = bettors.gambler: no such column"):
        index_once(project.config())
    project.folds = good[: good.index("shares = view")] + good[good.index("largest = fold") :]
    index_once(project.config())
    with pytest.raises(psycopg.errors.UndefinedTable):
        shares()


def _bytecode() -> str:
    from deploy import builds

    return builds.contract("Bets").bytecode


def test_reindex_fetches_what_is_named_again(project: Project, databases: Databases) -> None:
    with psycopg.connect(project.url) as connection:
        connection.execute("UPDATE chainfold.bets_bet_placed SET amount = 1")
        connection.execute("DELETE FROM chainfold.bets_bet_placed WHERE seq = 3")
    done = reindex(project.config(), program="bets", event="BetPlaced")
    assert done.fetched_again == {"bets_bet_placed": 5}
    assert set(done.rebuilt) == {"markets", "bettors"}
    project.assert_true(databases)
    with psycopg.connect(project.url) as connection:
        connection.execute("UPDATE chainfold.markets SET bets = 99")
    assert reindex(project.config(), program=None, only_folds=True).fetched_again == {}
    project.assert_true(databases)
    for names, says in (({"program": "x"}, "no program 'x'"), ({"chain": "x"}, "on x")):
        with pytest.raises(Fatal, match=says):
            reindex(project.config(), **{"program": "bets", **names})
    with pytest.raises(Fatal, match="no event 'Bet'"):
        reindex(project.config(), program="bets", event="Bet")


def test_a_lower_start_fills_what_is_below(
    tmp_path: Path, chain: Anvil, postgres_url: str, databases: Databases
) -> None:
    project = Project(tmp_path, chain, postgres_url)
    config = project.config()
    (program,) = config.programs
    from dataclasses import replace

    index_once(replace(config, programs=(replace(program, start=70),)))
    assert len(tables(postgres_url)["bets_bet_placed"]) == 3
    project.assert_true(databases)


def test_it_runs_alone_and_takes_no_view_away(project: Project) -> None:
    with store.opened(project.config()):
        project.folds = FOLDS.replace('last("total', 'max_("total')
        with pytest.raises(Fatal, match="stop `chainfold index`"):
            project.migrated()
    with psycopg.connect(project.url, autocommit=True) as connection:
        connection.execute("CREATE VIEW public.mine AS SELECT bets FROM chainfold.markets")
        with pytest.raises(Fatal, match=r"view mine depends on table chainfold\.markets"):
            project.migrated()
        connection.execute("DROP VIEW public.mine")
    assert project.migrated() == ["fold markets changed"]


def _cut_off(url: str) -> None:
    """Ends all connections to the database, as its restart does."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _change_a_fold(project: Project) -> None:
    project.folds = FOLDS.replace('last("total', 'max_("total')
    assert project.migrated() == ["fold markets changed"]


def _fetch_an_event_again(project: Project) -> None:
    reindex(project.config(), program="bets", event="BetPlaced")


def _forget_an_event(project: Project) -> None:
    project.abi.remove(project.event("BetPlaced"))
    project.folds = "from indexer.folds import fold, last\n"
    assert project.migrated()


def _add_a_fold(project: Project) -> None:
    project.folds += "many = fold('many', program='bets', key='actor', columns={'n': count()})\n"
    assert project.migrated() == ["fold many is new over events that are in"]


@pytest.mark.parametrize(
    "meanwhile", [_change_a_fold, _add_a_fold, _fetch_an_event_again, _forget_an_event]
)
def test_who_was_cut_off_writes_no_more_into_tables_that_changed(
    project: Project, meanwhile: Callable[[Project], None]
) -> None:
    with store.opened(project.config()) as opened:
        _cut_off(project.url)
        opened.connect("again").close()
        _cut_off(project.url)
        meanwhile(project)
        with pytest.raises(Fatal, match="start this again"):
            opened.connect("again")


def test_a_writer_waits_while_a_migration_works(project: Project) -> None:
    with store.opened(project.config()) as opened:
        _cut_off(project.url)
        with psycopg.connect(project.url) as migration:
            migration.execute("SELECT pg_advisory_lock(hashtext('chainfold declared'))")
            with pytest.raises(Retryable, match="`chainfold migrate` works"):
                opened.connect("again")


def test_tables_of_an_older_version_become_those_of_this_one(
    project: Project, databases: Databases
) -> None:
    with psycopg.connect(project.url) as connection:
        connection.execute(
            "ALTER TABLE chainfold.block ADD parent_hash text NOT NULL DEFAULT '', "
            "ADD parent_height int8 NOT NULL DEFAULT 0"
        )
        connection.execute("UPDATE chainfold.meta SET value = '1' WHERE key = 'version'")
    project.chain.mine(3)  # blocks to be written
    project.assert_true(databases)

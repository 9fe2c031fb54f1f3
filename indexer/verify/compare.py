"""The folds against the programs' own accounts: each entity, what belongs to it, each vault.

An entity's ``seq`` is its version: where the chain's and the fold's are equal, everything else must
be; where they aren't, one of the two is ahead, and both are read again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from string import Formatter
from time import monotonic
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from solders.pubkey import Pubkey

from indexer.decode.schema import Binding
from indexer.errors import Retryable
from indexer.log import database, writer
from indexer.rpc.client import Rpc
from indexer.sql import quote
from indexer.store import Store
from indexer.verify.accounts import (
    Account,
    Accounts,
    Entity,
    Fields,
    Found,
    Listed,
    Program,
    Wanted,
)
from indexer.verify.evm_accounts import EvmAccounts
from indexer.verify.finding import Finding
from indexer.verify.programs import PROGRAMS
from indexer.verify.solana_accounts import SolanaAccounts

PATIENCE = 30.0
"""Seconds for the chain and the tables to come to the same ``seq``."""
_PAUSE = 0.3
_TOGETHER = 256
"""Entities in one reading."""
_LINES = 20
_CONTRACT, _CLOSED, _MAY_CLOSE, _OWED, _TOKEN, _PLACE, _VALUE = (
    f" {name}" for name in ("contract", "closed", "may_close", "owed", "token", "place", "value")
)
"""Columns that no fold has: their names begin with a space."""

_Row = Mapping[str, Any]


@dataclass(slots=True)
class _Folds:
    """One program's rows on one chain at one moment, the head's height then, and the program's
    contracts. ``parts`` and ``lists`` by the entity's kind, then by its id."""

    height: int
    contracts: tuple[str, ...]
    entities: dict[str, dict[str, _Row]] = field(default_factory=dict[str, dict[str, _Row]])
    parts: dict[str, dict[str, list[tuple[Account, _Row]]]] = field(
        default_factory=dict[str, dict[str, list[tuple[Account, _Row]]]]
    )
    lists: dict[str, dict[str, list[tuple[Listed, _Row]]]] = field(
        default_factory=dict[str, dict[str, list[tuple[Listed, _Row]]]]
    )


async def accounts_are_folds(
    store: Store, connection: Connection[Any], chain: str, urls: tuple[str, ...] = ()
) -> list[Finding]:
    """Findings for each program on ``chain`` whose folds are the reference ones."""
    found: list[Finding] = []
    settings = store.config.chains[chain]
    for program in PROGRAMS:
        bindings = [b for b in store.schema.on(chain).values() if b.program == program.name]
        entities = [e for e in program.entities if e.account.on(settings.kind)]
        ours = {f.name for f in store.folds if f.fold.program == program.name}
        # with several contracts beside a factory's, an entity's id alone doesn't say whose it is
        alone = sum(b.factory is None for b in bindings) == 1
        if not alone or not _folds(entities, settings.kind) <= ours:
            continue
        (binding,) = (b for b in bindings if b.factory is None)
        rpc = Rpc(urls or settings.rpc[-1:], name=chain)
        document = binding.interface.document
        accounts: Accounts = (
            SolanaAccounts(rpc, binding.address, document)
            if settings.kind == "solana"
            else EvmAccounts(rpc, document, 0)
        )
        try:
            found += await _Proof(store, connection, chain, program, bindings, accounts).run()
        finally:
            await rpc.aclose()
    return found


@dataclass(slots=True)
class _Proof:
    """One program's proof on one chain. ``wrong`` and, of its own vault, ``short``: lines by (kind
    of entity, id)."""

    store: Store
    connection: Connection[Any]
    chain: str
    program: Program
    bindings: Sequence[Binding]
    accounts: Accounts
    wrong: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    short: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    @property
    def kind(self) -> str:
        return self.store.config.chains[self.chain].kind

    @property
    def entities(self) -> list[Entity]:
        return [e for e in self.program.entities if e.account.on(self.kind)]

    async def run(self) -> list[Finding]:
        limit = monotonic() + PATIENCE
        waiting: set[tuple[str, str]] | None = None
        while True:
            folds = self._read()
            if isinstance(self.accounts, EvmAccounts):
                self.accounts.height = folds.height
            try:
                waiting = await self._compare(folds, waiting)
                counted = await self._counted(folds)
                vaults = await self._vaults(folds)
            except Retryable:
                if monotonic() > limit:
                    raise
                await asyncio.sleep(_PAUSE)
                waiting = None
                continue
            rows = sum(len(folds.entities[e.account.rows]) for e in self.entities if e.counted)
            if (not waiting and counted == rows) or monotonic() > limit:
                return [*self._findings(folds, counted, rows), *vaults, *self._lines()]
            await asyncio.sleep(_PAUSE)

    def _findings(self, folds: _Folds, counted: int, rows: int) -> list[Finding]:
        sizes: Counter[str] = Counter()
        for entity in self.entities:
            sizes[entity.account.rows] += len(folds.entities[entity.account.rows])
            for parts in folds.parts[entity.account.rows].values():
                sizes.update(a.rows for a, _ in parts if a.rows != entity.account.rows)
        told = ", ".join(f"{n} {name}" for name, n in sorted(sizes.items()))
        return [
            Finding(
                f"{self.chain}: accounts of {self.program.name} = folds",
                not self.wrong,
                f"{told}, {len(self.wrong)} differ",
            ),
            Finding(
                f"{self.chain}: the counter of {self.program.name} = rows",
                counted == rows,
                f"counts {counted}, {rows} rows",
            ),
        ]

    def _lines(self) -> list[Finding]:
        return [
            Finding(f"{self.chain}: {rows} {id_}", False, why)
            for (rows, id_), why in sorted(self.wrong.items())[:_LINES]
        ]

    # The tables

    def _read(self) -> _Folds:
        with database.translated(), self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            head = writer.head(self.connection, self.store.log, self.chain)
            assert head is not None, "the proofs of the event log come first"
            folds = _Folds(head[0], self._contracts())
            for entity in self.entities:
                rows = entity.account.rows
                folds.entities[rows] = {
                    r[entity.account.key[0]]: r for r in self._rows(entity.account, entity)
                }
                folds.parts[rows], folds.lists[rows] = defaultdict(list), defaultdict(list)
                for part in entity.parts:
                    if part.on(self.kind):
                        for r in self._rows(part):
                            folds.parts[rows][r[part.key[0]]].append((part, r))
                for listed in entity.lists:
                    for r in self._places(entity, listed):
                        folds.lists[rows][r[entity.account.key[0]]].append((listed, r))
        return folds

    def _contracts(self) -> tuple[str, ...]:
        factories = {b.address for b in self.bindings if b.factory is not None}
        children = self.store.children(self.connection, self.chain) if factories else {}
        own = [b.address for b in self.bindings if b.factory is None]
        return (*own, *(a for a, child in children.items() if child[0] in factories))

    def _rows(self, account: Account, entity: Entity | None = None) -> list[_Row]:
        columns = {c: quote(c) for c in (*account.key, *account.same)}
        if account.evm:
            columns |= {c: quote(c) for c in account.evm.takes}
        columns |= {f: f"({sql})" for f, sql in account.also.items()}
        columns |= {_CLOSED: f"({account.closed})", _MAY_CLOSE: f"({account.may_close})"}
        source = f"{self._source(account.of or f'{{{account.rows}}}')} AS r"
        if entity is not None and entity.versioned:
            columns["seq"] = "r.seq"
        if entity is not None and entity.owed:
            columns |= {_OWED: f"({entity.owed})", _TOKEN: "token"}
        if entity is not None and entity.opened:
            # which contract announced it; a fold doesn't say
            key = quote(account.key[0])
            table = self.store.log.table(
                self.store.schema.of(self.program.name)[entity.opened].name
            )
            columns[_CONTRACT] = "o.address"
            source += (
                f" LEFT JOIN (SELECT DISTINCT ON ({key}) {key} AS id, address FROM {table} WHERE "
                f"chain = %(chain)s ORDER BY {key}, pos) AS o ON o.id = r.{key}"
            )
        return self._select(columns, source, account.where)

    def _places(self, entity: Entity, listed: Listed) -> list[_Row]:
        columns = {c: quote(c) for c in entity.account.key} | {_PLACE: listed.at}
        columns |= {f: f"({sql})" for f, sql in (listed.values or {_VALUE: listed.value}).items()}
        of = listed.rows if "{" in listed.rows else f"{{{listed.rows}}}"
        return self._select(columns, f"{self._source(of)} AS r", "true")

    def _source(self, of: str) -> str:
        tables = {f.name: self.store.log.table(f.name) for f in self.store.folds}
        return f"({of.format_map(tables)})" if " " in of else of.format_map(tables)

    def _select(self, columns: Mapping[str, str], source: str, where: str) -> list[_Row]:
        named = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
        return (
            self.connection.cursor(row_factory=dict_row)
            .execute(
                f"SELECT {named} FROM {source} CROSS JOIN (SELECT time AS now FROM "  # pyright: ignore
                f"{self.store.log.table('head')} WHERE chain = %(chain)s) AS h "
                f"WHERE r.chain = %(chain)s AND ({where})",
                {"chain": self.chain},
            )
            .fetchall()
        )

    # Against the chain

    async def _compare(
        self, folds: _Folds, only: set[tuple[str, str]] | None
    ) -> set[tuple[str, str]]:
        """Notes what differs; those of whom one of the two is ahead."""
        waiting: set[tuple[str, str]] = set()
        for key in only if only is not None else {*self.wrong, *self.short}:
            self.wrong.pop(key, None)
            self.short.pop(key, None)
        for entity in self.entities:
            rows = entity.account.rows
            ids = [i for i in folds.entities[rows] if only is None or (rows, i) in only]
            for at in range(0, len(ids), _TOGETHER):
                part = ids[at : at + _TOGETHER]
                groups = [self._wanted(folds, entity, id_) for id_ in part]
                found = await self.accounts.entities(groups, vaults=bool(entity.owed))
                for id_, group, accounts in zip(part, groups, found, strict=True):
                    ahead, why = self._entity(folds, entity, id_, group, accounts)
                    if why:
                        self.wrong[rows, id_] = why
                    owed = 0 if ahead else int(folds.entities[rows][id_].get(_OWED) or 0)
                    if accounts.held is not None and accounts.held < owed:
                        line = f"the vault of {id_} holds {accounts.held}, it owes {owed}"
                        self.short[rows, id_] = line
                    if ahead:
                        waiting.add((rows, id_))
        return waiting

    def _wanted(self, folds: _Folds, entity: Entity, id_: str) -> list[Wanted]:
        row = folds.entities[entity.account.rows][id_]
        contract = row.get(_CONTRACT) or folds.contracts[0]
        parts = folds.parts[entity.account.rows].get(id_, [])
        return [Wanted(a, r, contract) for a, r in [(entity.account, row), *parts]]

    def _entity(
        self, folds: _Folds, entity: Entity, id_: str, group: Sequence[Wanted], found: Found
    ) -> tuple[bool, str]:
        """Whether one of the two may be ahead, and what differs."""
        row, account = group[0].row, found.fields[0]
        if entity.versioned:
            if account is None and not row[_CLOSED] and not self._may_be_gone(row):
                return True, "open by the folds, not there on the chain"
            if account is not None and row[_CLOSED]:
                return True, "closed by the folds, there on the chain"
            if account is not None and account["seq"] != int(row["seq"] or 0):
                return True, f"seq {account['seq']} on the chain, {row['seq']} in the folds"
            if account is None:
                return False, ""
        for want, fields in zip(group, found.fields, strict=True):
            why = self._account(want, fields)
            if why:
                name = _name(want) if want is not group[0] else ""
                # without a version nothing says that the two are of one moment
                return not entity.versioned, name + why
        places = folds.lists[entity.account.rows].get(id_, [])
        for listed in entity.lists:
            if account is not None and listed.name in account:
                why = _places(listed, [r for of, r in places if of is listed], account)
                if why:
                    return False, why
        return False, ""

    def _may_be_gone(self, row: _Row) -> bool:
        return self.kind == "solana" and bool(row[_MAY_CLOSE])

    def _account(self, want: Wanted, account: Fields | None) -> str:
        row = want.row
        if row[_CLOSED]:
            return "" if account is None else "closed by the folds, there on the chain"
        if account is None and self._may_be_gone(row):
            return ""
        view = want.account.evm if self.kind == "evm" else None
        # a view that answers with one value says nothing of the others, of none neither
        given = {view.field} if account is None and view is not None and view.field else account
        for name in (*want.account.same, *want.account.also):
            if given is not None and name not in given:
                continue  # the other chain's
            true = 0 if account is None else account[name]
            mine = _plain(row[name], true)
            if mine != true:
                there = "not there" if account is None else true
                return f"{name} is {there} on the chain, {mine} in the folds"
        return ""

    async def _counted(self, folds: _Folds) -> int:
        counter = self.program.counter[self.kind == "solana"]
        counts = await asyncio.gather(*(self.accounts.count(c, counter) for c in folds.contracts))
        return sum(counts)

    async def _vaults(self, folds: _Folds) -> list[Finding]:
        """Whoever likes may send tokens to a vault, so more than is owed is no difference."""
        debts: dict[str, dict[str, int]] = {c: {} for c in folds.contracts}
        owing = [e for e in self.entities if e.owed]
        for entity in owing:
            for row in folds.entities[entity.account.rows].values():
                of = debts.setdefault(row.get(_CONTRACT) or folds.contracts[0], {})
                of[row[_TOKEN]] = of.get(row[_TOKEN], 0) + int(row[_OWED] or 0)
        if not owing:
            return []
        total, short = 0, list[str]()
        for contract, owed in debts.items():
            held = await self.accounts.held(contract, list(owed))
            total += sum(owed.values())
            for (token, debt), there in zip(owed.items(), held or [], strict=held is not None):
                if there < debt:
                    short.append(f"{contract} holds {there} of {token}, it owes {debt}")
        short += self.short.values()
        return [
            Finding(
                f"{self.chain}: vaults of {self.program.name} hold what is owed",
                not short,
                "; ".join(short[:3]) or f"{total} owed, all of it is there",
            )
        ]


def _folds(entities: Iterable[Entity], kind: str) -> set[str]:
    """The folds that proving ``entities`` reads."""
    names: set[str] = set()
    for entity in entities:
        accounts = [a for a in (entity.account, *entity.parts) if a.on(kind)]
        for text in (*(a.of or f"{{{a.rows}}}" for a in accounts), *(x.rows for x in entity.lists)):
            fields = {name for _, name, _, _ in Formatter().parse(text) if name}
            names |= fields or {text}
    return names


def _name(want: Wanted) -> str:
    rest = " on ".join(str(want.row[c]) for c in want.account.key[1:])
    return f"{want.account.rows} of {rest}: " if rest else ""


def _places(listed: Listed, rows: Iterable[_Row], account: Fields) -> str:
    mine = {int(r[_PLACE]): r for r in rows}
    for place, true in enumerate(account[listed.name]):
        fields: Fields = true if listed.values else {_VALUE: true}
        for name, value in fields.items():
            kept = _plain(mine[place][name], value) if place in mine else 0
            if kept != value:
                what = f"{listed.name}[{place}]" + (f".{name}" if listed.values else "")
                return f"{what} is {value} on the chain, {kept} in the folds"
    return ""


def _plain(value: Any, like: Any) -> Any:
    """A column as the account's field has it: what nothing has set yet is zero there."""
    if isinstance(value, datetime):
        value = int(value.timestamp())
    if isinstance(like, str):
        if value is None:
            return like if _zero(like) else None
        if value.startswith("0x") and not like.startswith("0x"):
            return str(Pubkey.from_bytes(bytes.fromhex(value[2:])))
        return value
    if isinstance(value, str):
        return 0 if _zero(value) else value
    return int(value or 0)


def _zero(text: str) -> bool:
    return not (text[2:].strip("0") if text.startswith("0x") else text.strip("1"))

"""All proofs of `chainfold verify`, in the order in which they build on one another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from indexer.config import Config
from indexer.errors import Fatal
from indexer.store import Store
from indexer.verify.compare import accounts_are_folds
from indexer.verify.finding import Finding
from indexer.verify.reread import reread
from indexer.verify.tables import verify


def prove(
    store: Store,
    *,
    chains: Sequence[str] = (),
    first: int | None = None,
    last: int | None = None,
    urls: Sequence[str] = (),
    offline: bool = False,
) -> list[Finding]:
    """Proves the tables among themselves and, unless ``offline``, against each of ``chains``.

    ``urls``: nodes to read the chain from; what indexing asked is proven best by another's node.
    """
    config: Config = store.config
    unknown = set(chains) - set(config.chains)
    if unknown:
        raise Fatal(f"no chain {sorted(unknown)[0]!r} in {config.path.name}")
    wanted = list(chains) or [c for c in config.chains if config.programs_on(c)]
    if len(wanted) > 1 and (urls or first is not None or last is not None):
        raise Fatal("--rpc, --from and --to are one chain's: name it with --chain")
    with store.connect("verify") as connection:
        found = verify(store, connection)
        if offline:
            return found

        async def against() -> None:
            for chain in wanted:
                found.extend(await reread(store, connection, chain, first, last, urls))
                if first is None and last is None:
                    found.extend(await accounts_are_folds(store, connection, chain, tuple(urls)))

        asyncio.run(against())
    return found

"""Which accounts the folds of the reference programs are; one page a program."""

from __future__ import annotations

from indexer.verify.programs.bets import BETS
from indexer.verify.programs.contracts import CONTRACTS
from indexer.verify.programs.exchange import EXCHANGE
from indexer.verify.programs.feeds import FEEDS
from indexer.verify.programs.payouts import PAYOUTS
from indexer.verify.programs.projects import PROJECTS
from indexer.verify.programs.registry import REGISTRY

PROGRAMS = (BETS, CONTRACTS, PAYOUTS, PROJECTS, FEEDS, REGISTRY, EXCHANGE)

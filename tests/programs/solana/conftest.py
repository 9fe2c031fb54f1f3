"""Programs on LiteSVM. Shared classes live in the package `onsvm` beside this file."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from onsvm.bets import Bets
from onsvm.chain import Chain
from onsvm.contracts import Contracts
from onsvm.feeds import Feeds
from onsvm.payouts import Payouts
from onsvm.projects import Projects
from onsvm.registry import Registry


@pytest.fixture
def chain() -> Chain:
    """A chain on which all programs are deployed."""
    return Chain()


@pytest.fixture
def bets(chain: Chain) -> Bets:
    return Bets(chain)


@pytest.fixture
def feeds(chain: Chain) -> Feeds:
    return Feeds(chain)


@pytest.fixture
def contracts(chain: Chain) -> Contracts:
    return Contracts(chain)


@pytest.fixture
def projects(chain: Chain) -> Projects:
    return Projects(chain)


@pytest.fixture
def payouts(chain: Chain) -> Payouts:
    return Payouts(chain)


@pytest.fixture
def registry(chain: Chain) -> Registry:
    """The registry with `root` as its global admin."""
    return Registry(chain).initialized()

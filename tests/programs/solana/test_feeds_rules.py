"""The rules of feeds, F-1 to F-5, and every account of its instructions."""

import pytest
from onsvm.chain import START, Refused, wallet
from onsvm.feeds import Feeds
from onsvm.forge import clone, off_bump, with_account, with_accounts, with_data, with_flags
from solders.instruction import Instruction
from solders.pubkey import Pubkey

I128 = 2**127 - 1
LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")


def refuses(feeds: Feeds, ix: Instruction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        feeds.send(ix)
    assert refused.value.name == error, refused.value


def test_open(feeds: Feeds) -> None:
    """F-1, G-3, G-4"""
    feed = feeds.next_feed("opener")
    (event,) = feeds.send(feeds.open()).events
    opener = wallet("opener").pubkey()
    assert (event.name, event.fields) == (
        "FeedOpened",
        {
            "feed": feed,
            "seq": 1,
            "actor": opener,
            "nonce": 0,
            "decimals": 8,
            "heartbeat": 3600,
            "name": "Coffee",
            "unit": "USD/kg",
        },
    )
    state = feeds.read(feed)
    assert (state["publisher"], state["count"], state["seq"]) == (opener, 0, 1)
    assert (state["decimals"], state["heartbeat"]) == (8, 3600)
    assert feeds.opened() != feed
    assert feeds.read(feeds.counter)["feeds"] == 2
    assert feeds.read(feeds.creator_counter(opener))["next_nonce"] == 2


def test_open_refuses(feeds: Feeds) -> None:
    """F-1"""
    refuses(feeds, feeds.open(heartbeat=0, decimals=39), "InvalidHeartbeat")
    refuses(feeds, feeds.open(decimals=39, name="x" * 701), "InvalidDecimals")
    refuses(feeds, feeds.open(name="x" * 641, unit="u" * 60), "TextTooLong")
    feeds.opened(decimals=38, heartbeat=1, name="x" * 640, unit="u" * 60)


def test_publish(feeds: Feeds) -> None:
    """F-2: values of all sizes, up to the edge of now + 60."""
    feed = feeds.opened()
    values = [(-I128 - 1, -5), (I128, 0), (0, 59), (1, 60)]
    events = feeds.send(feeds.publish("opener", feed, values)).events
    assert [e.fields for e in events] == [
        {
            "feed": feed,
            "seq": 2 + n,
            "actor": wallet("opener").pubkey(),
            "round": 1 + n,
            "value": value,
            "observed_at": START + at,
        }
        for n, (value, at) in enumerate(values)
    ]
    state = feeds.read(feed)
    assert (state["count"], state["seq"]) == (4, 5)
    assert [(o.value, o.observed_at) for o in state["ring"][:5]] == [
        *((value, START + at) for value, at in values),
        (0, 0),
    ]


def test_publish_refuses(feeds: Feeds) -> None:
    """F-2"""
    feed = feeds.opened()
    refuses(feeds, feeds.publish("mallory", feed, []), "NotPublisher")
    refuses(feeds, feeds.publish("opener", feed, []), "InvalidBatch")
    many = [(1, n - 40) for n in range(33)]
    refuses(feeds, feeds.publish("opener", feed, many), "InvalidBatch")
    refuses(feeds, feeds.publish("opener", feed, [(1, 5), (1, 5)]), "NotLater")
    refuses(feeds, feeds.publish("opener", feed, [(1, 5), (1, 4)]), "NotLater")
    refuses(feeds, feeds.publish("opener", feed, [(1, 61)]), "FromFuture")
    refuses(feeds, feeds.publish("opener", feed, [(1, 5), (1, 61)]), "FromFuture")
    for before_all_time in (-START, -START - 1):
        ix = feeds.publish("opener", feed, [(1, before_all_time), (1, 5)])
        refuses(feeds, ix, "NotLater")
    feeds.send(feeds.publish("opener", feed, [(1, 5)]))
    refuses(feeds, feeds.publish("opener", feed, [(1, 5)]), "NotLater")
    refuses(feeds, feeds.publish("opener", feed, [(1, 4), (1, 6)]), "NotLater")
    feeds.send(feeds.publish("opener", feed, [(1, 6)]))


def test_ring(feeds: Feeds) -> None:
    """F-3: 32 in a call, the last 64 kept."""
    feed = feeds.opened()
    for start in range(0, 160, 32):
        batch = [(number, number - 200) for number in range(start, start + 32)]
        receipt = feeds.send(feeds.publish("opener", feed, batch))
        assert len(receipt.events) == 32
    state = feeds.read(feed)
    assert state["count"] == 160
    kept = {(o.value, o.observed_at - START) for o in state["ring"]}
    assert kept == {(number, number - 200) for number in range(96, 160)}
    for number in range(96, 160):
        assert state["ring"][number % 64].value == number


# ---- accounts ----


def built(feeds: Feeds, name: str) -> Instruction:
    if name == "open":
        feeds.opened("carol")
        return feeds.open("carol")
    return feeds.publish("opener", feeds.opened(), [(1, 0)])


def place(feeds: Feeds, name: str, account: str) -> int:
    return feeds.interface.position(name, account)


@pytest.mark.parametrize("name", ["open", "publish"])
def test_accounts_of_every_instruction(feeds: Feeds, name: str) -> None:
    """G-5, G-11"""
    ix = built(feeds, name)
    signer = with_flags(ix, 0, signer=False)
    if name == "open":
        signer = with_account(signer, 1, feeds.chain.fund("sponsor").pubkey())
    refuses(feeds, signer, "NotSigner")
    refuses(feeds, with_accounts(ix, list(ix.accounts)[:-1]), "MissingAccount")
    refuses(feeds, with_data(ix, bytes(ix.data) + b"\0"), "InvalidInstruction")
    refuses(feeds, with_data(ix, bytes(ix.data)[:-1]), "InvalidInstruction")
    for account, error in (
        ("event_authority", "WrongEventAuthority"),
        ("program", "WrongProgram"),
    ):
        at = place(feeds, name, account)
        refuses(feeds, with_account(ix, at, Pubkey.new_unique()), error)
    feeds.send(ix)


def test_absurd_count(feeds: Feeds) -> None:
    """G-11: a vector that says it is longer than the data."""
    ix = built(feeds, "publish")
    data = bytes(ix.data)
    refuses(feeds, with_data(ix, data[:8] + b"\xff" * 4 + data[12:]), "InvalidInstruction")


def test_open_accounts(feeds: Feeds) -> None:
    """F-1, G-11"""
    ix = built(feeds, "open")
    payer = with_account(ix, 1, feeds.chain.fund("sponsor").pubkey())
    refuses(feeds, with_flags(payer, 1, signer=False), "NotSigner")
    at = place(feeds, "open", "system_program")
    refuses(feeds, with_account(ix, at, Pubkey.new_unique()), "WrongSystemProgram")
    carol = bytes(wallet("carol").pubkey())
    other = feeds.creator_counter(wallet("mallory").pubkey())
    feeds.opened("mallory")
    for account, address, error in (
        ("counter", clone(feeds.chain, feeds.counter, owner=LOADER), "WrongCounter"),
        ("counter", other, "WrongCounter"),
        ("creator_counter", other, "WrongCreatorCounter"),
        ("creator_counter", feeds.counter, "WrongCreatorCounter"),
        ("feed", Pubkey.new_unique(), "WrongFeed"),
        ("feed", off_bump(feeds.interface, b"feed", carol, b"\1" + bytes(7)), "WrongFeed"),
    ):
        refuses(feeds, with_account(ix, place(feeds, "open", account), address), error)
    feeds.send(ix)


def test_publish_into_an_impostor(feeds: Feeds) -> None:
    """F-5, G-11"""
    ix = built(feeds, "publish")
    at = place(feeds, "publish", "feed")
    feed = ix.accounts[at].pubkey
    data = feeds.chain.data(feed)
    assert data is not None
    counter = feeds.chain.data(feeds.counter) or b""
    for fake in (
        clone(feeds.chain, feed, owner=LOADER),
        clone(feeds.chain, feed, data=counter[:8] + data[8:]),
        clone(feeds.chain, feed, data=data + b"\0"),
        feeds.counter,
    ):
        refuses(feeds, with_account(ix, at, fake), "WrongFeed")


def test_lamports_sent_ahead(feeds: Feeds) -> None:
    """G-12"""
    feed = feeds.next_feed("opener")
    feeds.chain.svm.airdrop(feed, 1_000_000)
    assert feeds.opened() == feed


def test_stale(feeds: Feeds) -> None:
    """F-4: what a reader needs lies in the account."""
    feed = feeds.opened(heartbeat=10)
    assert feeds.read(feed)["count"] == 0
    feeds.send(feeds.publish("opener", feed, [(7, 1)]))
    state = feeds.read(feed)
    last = state["ring"][(state["count"] - 1) % 64]
    assert last.observed_at + state["heartbeat"] == START + 11

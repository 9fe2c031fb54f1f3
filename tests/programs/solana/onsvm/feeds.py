"""The program feeds: its addresses and its instructions with the accounts they want."""

from collections.abc import Sequence
from typing import Any

from construct import Container
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from onsvm.bets import KNOWN
from onsvm.chain import START, SYSTEM, Chain, Receipt, wallet


class Feeds:
    """Times in seconds from the chain's start."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.interface = chain.interfaces["feeds"]
        self.counter = self.interface.pda(b"counter")
        self.ending = {
            "event_authority": self.interface.event_authority,
            "program": self.interface.address,
        }

    def creator_counter(self, publisher: Pubkey) -> Pubkey:
        return self.interface.pda(b"creator", bytes(publisher))

    def feed(self, publisher: Pubkey, nonce: int) -> Pubkey:
        return self.interface.pda(b"feed", bytes(publisher), nonce.to_bytes(8, "little"))

    def read(self, address: Pubkey) -> dict[str, Any]:
        data = self.chain.data(address)
        assert data is not None, f"no account {address}"
        return self.interface.account(data)

    def next_feed(self, publisher: str) -> Pubkey:
        key = wallet(publisher).pubkey()
        data = self.chain.data(self.creator_counter(key))
        return self.feed(key, self.interface.account(data)["next_nonce"] if data else 0)

    def open(self, by: str = "opener", **args: Any) -> Instruction:
        publisher = self.chain.fund(by).pubkey()
        accounts = {
            "publisher": publisher,
            "payer": publisher,
            "counter": self.counter,
            "creator_counter": self.creator_counter(publisher),
            "feed": self.next_feed(by),
            "system_program": SYSTEM,
        }
        given = {"decimals": 8, "heartbeat": 3600, "name": "Coffee", "unit": "USD/kg"} | args
        return self.interface.instruction("open", accounts | self.ending, given)

    def publish(
        self, by: str, feed: Pubkey, observations: Sequence[tuple[int, int]]
    ) -> Instruction:
        """observations: (value, seconds from the start)."""
        accounts = {"publisher": self.chain.fund(by).pubkey(), "feed": feed}
        listed = [Container(value=v, observedAt=START + at) for v, at in observations]
        for each in listed:
            each["observed_at"] = each["observedAt"]
        return self.interface.instruction(
            "publish", accounts | self.ending, {"observations": listed}
        )

    def opened(self, by: str = "opener", **args: Any) -> Pubkey:
        feed = self.next_feed(by)
        self.send(self.open(by, **args))
        return feed

    def send(self, *instructions: Instruction, **options: Any) -> Receipt:
        return self.chain.send(*instructions, signers=KNOWN(), **options)

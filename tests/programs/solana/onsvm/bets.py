"""The program bets: its addresses and its instructions with the accounts they want."""

from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from onsvm.chain import SYSTEM, TOKEN, Chain, Receipt, wallet

OPEN, RESOLVED, VOIDED = range(3)
DAY = 86_400


class Bets:
    """Actors are wallets by name; `opener` opens in token `usd` unless told otherwise."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.interface = chain.interfaces["bets"]
        self.counter = self.interface.pda(b"counter")

    # ---- addresses ----

    def creator_counter(self, creator: Pubkey) -> Pubkey:
        return self.interface.pda(b"creator", bytes(creator))

    def market(self, creator: Pubkey, nonce: int) -> Pubkey:
        return self.interface.pda(b"market", bytes(creator), nonce.to_bytes(8, "little"))

    def vault(self, market: Pubkey) -> Pubkey:
        return self.interface.pda(b"vault", bytes(market))

    def position(self, market: Pubkey, bettor: Pubkey, outcome: int) -> Pubkey:
        return self.interface.pda(b"position", bytes(market), bytes(bettor), bytes([outcome]))

    # ---- state ----

    def read(self, address: Pubkey) -> dict[str, Any]:
        data = self.chain.data(address)
        assert data is not None, f"no account {address}"
        return self.interface.account(data)

    def next_market(self, creator: str) -> Pubkey:
        key = wallet(creator).pubkey()
        data = self.chain.data(self.creator_counter(key))
        nonce = self.interface.account(data)["next_nonce"] if data else 0
        return self.market(key, nonce)

    # ---- instructions ----

    def _ending(self, *programs: str) -> dict[str, Pubkey]:
        named = {"token_program": TOKEN, "system_program": SYSTEM}
        return {name: named[name] for name in programs} | {
            "event_authority": self.interface.event_authority,
            "program": self.interface.address,
        }

    def open(self, by: str = "opener", payer: str | None = None, **args: Any) -> Instruction:
        """Times in seconds from now; addresses as Pubkey or wallet names."""
        creator = self.chain.fund(by).pubkey()
        market = self.next_market(by)
        given = {
            "resolver": "resolver",
            "fee_recipient": "treasury",
            "subject": bytes([1]) * 32,
            "question": bytes([2]) * 32,
            "outcome_count": 2,
            "close_at": DAY,
            "resolve_by": 2 * DAY,
            "fee_bps": 500,
            "cid": "bafkreigh2akiscaildc",
            "title": "Who wins?",
        } | {name: value for name, value in args.items() if name != "token"}
        for name in ("resolver", "fee_recipient"):
            if isinstance(given[name], str):
                given[name] = wallet(str(given[name])).pubkey()
        for name in ("close_at", "resolve_by"):
            given[name] = min(self.chain.now + int(given[name]), 2**63 - 1)
        for name in ("subject", "question"):
            given[name] = list(given[name])
        token = args.get("token", "usd")
        accounts = {
            "creator": creator,
            "payer": self.chain.fund(payer or by).pubkey(),
            "counter": self.counter,
            "creator_counter": self.creator_counter(creator),
            "market": market,
            "vault": self.vault(market),
            "token": self.chain.token(token) if isinstance(token, str) else token,
        }
        ending = self._ending("token_program", "system_program")
        return self.interface.instruction("open", accounts | ending, given)

    def place(
        self, by: str, market: Pubkey, outcome: int, amount: int, payer: str | None = None
    ) -> Instruction:
        bettor = self.chain.fund(by).pubkey()
        token = self.read(market)["token"]
        accounts = {
            "bettor": bettor,
            "payer": self.chain.fund(payer or by).pubkey(),
            "market": market,
            "position": self.position(market, bettor, outcome),
            "source": self.chain.token_account(bettor, token),
            "vault": self.vault(market),
        }
        ending = self._ending("token_program", "system_program")
        args = {"outcome": outcome, "amount": amount}
        return self.interface.instruction("place", accounts | ending, args)

    def resolve(self, by: str, market: Pubkey, outcome: int) -> Instruction:
        accounts = {"resolver": self.chain.fund(by).pubkey(), "market": market}
        return self.interface.instruction(
            "resolve", accounts | self._ending(), {"outcome": outcome}
        )

    def void(self, by: str, market: Pubkey) -> Instruction:
        accounts = {"actor": self.chain.fund(by).pubkey(), "market": market}
        return self.interface.instruction("void", accounts | self._ending(), {})

    def claim(self, by: str, market: Pubkey, bettor: str, outcome: int) -> Instruction:
        owner = wallet(bettor).pubkey()
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "market": market,
            "position": self.position(market, owner, outcome),
            "vault": self.vault(market),
            "destination": self.chain.token_account(owner, self.read(market)["token"]),
        }
        return self.interface.instruction("claim", accounts | self._ending("token_program"), {})

    def collect_fee(self, by: str, market: Pubkey) -> Instruction:
        state = self.read(market)
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "market": market,
            "vault": self.vault(market),
            "destination": self.chain.token_account(state["fee_recipient"], state["token"]),
        }
        ending = self._ending("token_program")
        return self.interface.instruction("collect_fee", accounts | ending, {})

    def close_position(self, by: str, market: Pubkey, bettor: str, outcome: int) -> Instruction:
        position = self.position(market, wallet(bettor).pubkey(), outcome)
        data = self.chain.data(position)
        payer = self.interface.account(data)["rent_payer"] if data else wallet(bettor).pubkey()
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "market": market,
            "position": position,
            "rent_payer": payer,
        }
        return self.interface.instruction("close_position", accounts | self._ending(), {})

    def close(self, by: str, market: Pubkey) -> Instruction:
        state = self.read(market)
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "market": market,
            "vault": self.vault(market),
            "destination": self.chain.token_account(state["fee_recipient"], state["token"]),
            "rent_payer": state["rent_payer"],
        }
        return self.interface.instruction("close", accounts | self._ending("token_program"), {})

    # ---- transactions ----

    def send(self, *instructions: Instruction, **options: Any) -> Receipt:
        """Signed by every wallet of these tests that an instruction wants as signer."""
        return self.chain.send(*instructions, signers=KNOWN(), **options)

    def opened(self, by: str = "opener", **args: Any) -> Pubkey:
        """Opens a market; its address."""
        market = self.next_market(by)
        self.send(self.open(by, **args))
        return market

    def placed(self, by: str, market: Pubkey, outcome: int, amount: int) -> Receipt:
        """Gives the bettor `amount` tokens and places them."""
        self.chain.mint(wallet(by).pubkey(), self.read(market)["token"], amount)
        return self.send(self.place(by, market, outcome, amount))


ACTORS = ("opener", "resolver", "treasury", "alice", "bob", "carol", "dave", "mallory", "sponsor")


def KNOWN() -> list[Any]:
    return [wallet(name) for name in ACTORS]

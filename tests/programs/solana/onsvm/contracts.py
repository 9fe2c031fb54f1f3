"""The program contracts: its addresses and its instructions with the accounts they want."""

from typing import Any

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from onsvm.bets import DAY, KNOWN
from onsvm.chain import START, SYSTEM, TOKEN, Chain, Receipt, wallet

PENDING, SIGNED, ACTIVE, DISPUTED, SETTLED, CANCELLED = range(6)
ED25519 = Pubkey.from_string("Ed25519SigVerify111111111111111111111111111")
INSTRUCTIONS = Pubkey.from_string("Sysvar1nstructions1111111111111111111111111")
TIMES = ("sign_by", "fund_by", "deliver_by", "rule_by")
PARTIES = ("seller", "buyer", "arbiter")


class Contracts:
    """alice sells, bob buys, carol arbitrates; times in seconds from the chain's start."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.interface = chain.interfaces["contracts"]
        self.counter = self.interface.pda(b"counter")

    # ---- addresses and state ----

    def creator_counter(self, proposer: Pubkey) -> Pubkey:
        return self.interface.pda(b"creator", bytes(proposer))

    def agreement(self, proposer: Pubkey, nonce: int) -> Pubkey:
        return self.interface.pda(b"agreement", bytes(proposer), nonce.to_bytes(8, "little"))

    def vault(self, agreement: Pubkey) -> Pubkey:
        return self.interface.pda(b"vault", bytes(agreement))

    def read(self, address: Pubkey) -> dict[str, Any]:
        data = self.chain.data(address)
        assert data is not None, f"no account {address}"
        return self.interface.account(data)

    def next_agreement(self, proposer: str) -> Pubkey:
        key = wallet(proposer).pubkey()
        data = self.chain.data(self.creator_counter(key))
        return self.agreement(key, self.interface.account(data)["next_nonce"] if data else 0)

    # ---- instructions ----

    def call(
        self, name: str, accounts: dict[str, Pubkey], args: dict[str, Any] | None = None
    ) -> Instruction:
        declared = {entry["name"] for entry in self.interface.instructions[name]["accounts"]}
        endings = {
            "token_program": ("tokenProgram", TOKEN),
            "system_program": ("systemProgram", SYSTEM),
            "event_authority": ("eventAuthority", self.interface.event_authority),
            "program": ("program", self.interface.address),
        }
        ending = {key: value for key, (camel, value) in endings.items() if camel in declared}
        return self.interface.instruction(name, accounts | ending, args or {})

    def propose(self, by: str = "alice", **args: Any) -> Instruction:
        proposer = self.chain.fund(by).pubkey()
        agreement = self.next_agreement(by)
        feed = args.pop("feed", SYSTEM)
        token = args.pop("token", "usd")
        given = {
            "seller": "alice",
            "buyer": "bob",
            "arbiter": "carol",
            "commodity": bytes(32),
            "terms": bytes([3]) * 32,
            "quantity": 100,
            "price_total": 1000,
            "price_cap": 0,
            "price_floor": 0,
            "price_mul": 0,
            "price_div": 0,
            "seller_margin": 50,
            "sign_by": DAY,
            "fund_by": 2 * DAY,
            "deliver_by": 10 * DAY,
            "accept_within": DAY,
            "rule_by": 20 * DAY,
            "default_split_bps": 5000,
            "cid": "bafkreia",
            "title": "Coffee",
            "unit": "kg",
        } | args
        for name in PARTIES:
            if isinstance(given[name], str):
                given[name] = wallet(str(given[name])).pubkey()
        for name in TIMES:
            given[name] = max(min(START + int(given[name]), 2**63 - 1), -(2**63))
        for name in ("commodity", "terms"):
            given[name] = list(given[name])
        accounts = {
            "proposer": proposer,
            "payer": proposer,
            "counter": self.counter,
            "creator_counter": self.creator_counter(proposer),
            "agreement": agreement,
            "vault": self.vault(agreement),
            "token": self.chain.token(token) if isinstance(token, str) else token,
            "feed": feed,
        }
        return self.call("propose", accounts, given)

    def signed_message(self, agreement: Pubkey, deadline: int) -> bytes:
        terms = self.read(agreement)["terms"]
        return (
            b"chainfold contracts sign"
            + bytes(self.interface.address)
            + bytes(agreement)
            + terms
            + deadline.to_bytes(8, "little", signed=True)
        )

    def step(self, name: str, by: str, agreement: Pubkey, **args: Any) -> Instruction:
        """The instructions that want the caller and the agreement only."""
        first = self.interface.instructions[name]["accounts"][0]["name"]
        accounts = {first: self.chain.fund(by).pubkey(), "agreement": agreement}
        given = {key: list(v) if isinstance(v, bytes) else v for key, v in args.items()}
        return self.call(name, accounts, given)

    def sign_by_sig(self, by: str, agreement: Pubkey, deadline: int) -> Instruction:
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "agreement": agreement,
            "instructions": INSTRUCTIONS,
        }
        return self.call("sign_by_sig", accounts, {"deadline": deadline})

    def fund(self, by: str, agreement: Pubkey) -> Instruction:
        party = self.chain.fund(by).pubkey()
        token = self.read(agreement)["token"]
        accounts = {
            "party": party,
            "agreement": agreement,
            "source": self.chain.token_account(party, token),
            "vault": self.vault(agreement),
        }
        return self.call("fund", accounts)

    def fix_price(self, by: str, agreement: Pubkey, round_: int) -> Instruction:
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "agreement": agreement,
            "feed": self.read(agreement)["feed"],
        }
        return self.call("fix_price", accounts, {"round": round_})

    def withdraw(self, by: str, agreement: Pubkey, party: str) -> Instruction:
        owner = wallet(party).pubkey()
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "agreement": agreement,
            "vault": self.vault(agreement),
            "destination": self.chain.token_account(owner, self.read(agreement)["token"]),
        }
        return self.call("withdraw", accounts, {"party": owner})

    def close(self, agreement: Pubkey) -> Instruction:
        state = self.read(agreement)
        accounts = {
            "agreement": agreement,
            "vault": self.vault(agreement),
            "destination": self.chain.token_account(state["buyer"], state["token"]),
            "rent_payer": state["rent_payer"],
        }
        return self.call("close", accounts)

    # ---- transactions ----

    def send(self, *instructions: Instruction, **options: Any) -> Receipt:
        return self.chain.send(*instructions, signers=KNOWN(), **options)

    def proposed(self, by: str = "alice", **args: Any) -> Pubkey:
        agreement = self.next_agreement(by)
        self.send(self.propose(by, **args))
        return agreement

    def signed(self, **args: Any) -> Pubkey:
        agreement = self.proposed(**args)
        self.send(self.step("sign", "bob", agreement))
        return agreement

    def active(self, **args: Any) -> Pubkey:
        """Signed and funded by both."""
        agreement = self.signed(**args)
        state = self.read(agreement)
        escrow = state["price_cap"] or state["price_total"]
        self.chain.mint(wallet("bob").pubkey(), state["token"], escrow)
        self.send(self.fund("bob", agreement))
        if state["seller_margin"]:
            self.chain.mint(wallet("alice").pubkey(), state["token"], state["seller_margin"])
            self.send(self.fund("alice", agreement))
        return agreement

    def delivered(self, quantity: int = 100, **args: Any) -> Pubkey:
        agreement = self.active(**args)
        ix = self.step("record_delivery", "alice", agreement, quantity=quantity, evidence=bytes(32))
        self.send(ix)
        return agreement


def ed25519_instruction(key: Keypair, message: bytes) -> Instruction:
    """One signature in the plain layout: header, key, signature, message."""
    signature = bytes(key.sign_message(message))
    header = [1, 0]
    offsets = (48, 0xFFFF, 16, 0xFFFF, 112, len(message), 0xFFFF)
    data = bytes(header) + b"".join(value.to_bytes(2, "little") for value in offsets)
    metas: list[AccountMeta] = []
    return Instruction(ED25519, data + bytes(key.pubkey()) + signature + message, metas)

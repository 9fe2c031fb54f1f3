"""The program payouts: its addresses and its instructions with the accounts they want."""

from collections.abc import Sequence
from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from trees import Tree, word

from onsvm.bets import DAY
from onsvm.chain import START, SYSTEM, TOKEN, Chain, Receipt, wallet
from onsvm.contracts import INSTRUCTIONS, ed25519_instruction

FUNDING, PUBLISHED, VETOED, EXPIRED = range(4)
ROUND, REVENUE, AID = range(3)
PAGE = 8192  # leaves
PUBLISH_BY, DELAY = 10 * DAY, DAY
EXPIRES_AT = PUBLISH_BY + DELAY + 7 * DAY
DEADLINES = ("publish_by", "expires_at", "trigger_by")
ZERO = Pubkey.from_bytes(bytes(32))

ACTORS = (
    "opener", "operator", "guardian", "fiona", "frank", "owner", "sponsor",
    "alice", "bob", "carol", "dave", "mallory",
)  # fmt: skip

Leaf = tuple[int, str, int]  # index, whose, amount


class Payouts:
    """Pools of `opener`, run by `operator`; times in seconds from the chain's start. Aid unless
    told otherwise; `guardian` may veto."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.interface = chain.interfaces["payouts"]
        self.counter = self.interface.pda(b"counter")
        (constant,) = self.interface.json["constants"]
        self.cluster = Pubkey.from_string(constant["value"])

    # ---- addresses and state ----

    def creator_counter(self, creator: Pubkey) -> Pubkey:
        return self.interface.pda(b"creator", bytes(creator))

    def pool(self, creator: Pubkey, nonce: int) -> Pubkey:
        return self.interface.pda(b"pool", bytes(creator), nonce.to_bytes(8, "little"))

    def vault(self, pool: Pubkey) -> Pubkey:
        return self.interface.pda(b"vault", bytes(pool))

    def receipt(self, pool: Pubkey, funder: str) -> Pubkey:
        return self.interface.pda(b"receipt", bytes(pool), bytes(wallet(funder).pubkey()))

    def entry(self, pool: Pubkey, entrant: str, record: bytes) -> Pubkey:
        key = bytes(wallet(entrant).pubkey())
        return self.interface.pda(b"entry", bytes(pool), key, record)

    def page(self, pool: Pubkey, index: int) -> Pubkey:
        return self.interface.pda(b"page", bytes(pool), (index // PAGE).to_bytes(8, "little"))

    def vendor(self, pool: Pubkey, vendor: str) -> Pubkey:
        return self.interface.pda(b"vendor", bytes(pool), bytes(wallet(vendor).pubkey()))

    def voucher(self, pool: Pubkey, account: str) -> Pubkey:
        return self.interface.pda(b"voucher", bytes(pool), bytes(wallet(account).pubkey()))

    def read(self, address: Pubkey) -> dict[str, Any]:
        data = self.chain.data(address)
        assert data is not None, f"no account {address}"
        return self.interface.account(data)

    def next_pool(self, creator: str) -> Pubkey:
        key = wallet(creator).pubkey()
        data = self.chain.data(self.creator_counter(key))
        return self.pool(key, self.interface.account(data)["next_nonce"] if data else 0)

    # ---- trees ----

    def leaf(self, pool: Pubkey, index: int, account: Pubkey, amount: int) -> bytes:
        parts = (self.cluster, self.interface.address, pool)
        head = b"".join(bytes(part) for part in parts)
        return head + word(index) + bytes(account) + word(amount)

    def tree(self, pool: Pubkey, leaves: Sequence[Leaf]) -> Tree:
        return Tree([self.leaf(pool, i, wallet(who).pubkey(), n) for i, who, n in leaves])

    # ---- instructions ----

    def call(
        self, name: str, accounts: dict[str, Pubkey], args: dict[str, Any] | None = None
    ) -> Instruction:
        declared = {entry["name"] for entry in self.interface.instructions[name]["accounts"]}
        endings = {
            "token_program": ("tokenProgram", TOKEN),
            "system_program": ("systemProgram", SYSTEM),
            "instructions": ("instructions", INSTRUCTIONS),
            "event_authority": ("eventAuthority", self.interface.event_authority),
            "program": ("program", self.interface.address),
        }
        ending = {key: value for key, (camel, value) in endings.items() if camel in declared}
        given = {key: list(v) if isinstance(v, bytes) else v for key, v in (args or {}).items()}
        return self.interface.instruction(name, accounts | ending, given)

    def open(self, by: str = "opener", **args: Any) -> Instruction:
        creator = self.chain.fund(by).pubkey()
        pool = self.next_pool(by)
        token = args.pop("token", "usd")
        accounts = {
            "creator": creator,
            "payer": creator,
            "counter": self.counter,
            "creator_counter": self.creator_counter(creator),
            "pool": pool,
            "vault": self.vault(pool),
            "token": self.chain.token(token) if isinstance(token, str) else token,
            "project": args.pop("project", ZERO),
            "feed": args.pop("feed", ZERO),
        }
        given = {
            "operator": "operator",
            "guardian": "guardian",
            "kind": AID,
            "record": bytes(32),
            "by_height": False,
            "opens_at": None,
            "closes_at": None,
            "entry_fee": 0,
            "publish_by": PUBLISH_BY,
            "challenge_delay": DELAY,
            "expires_at": EXPIRES_AT,
            "comparator": 0,
            "threshold": 0,
            "trigger_by": None,
            "cid": "bafkreia",
            "title": "Drought",
        } | args
        for name in ("operator", "guardian"):
            if isinstance(given[name], str):
                given[name] = wallet(str(given[name])).pubkey()
        for name in DEADLINES:
            at = given[name]
            given[name] = 0 if at is None else max(min(START + int(at), 2**63 - 1), -(2**63))
        for name in ("opens_at", "closes_at"):
            at = given[name]
            start = 0 if given["by_height"] else START
            given[name] = 0 if at is None else max(start + int(at), 0)
        return self.call("open", accounts, given)

    def fund(self, by: str, pool: Pubkey, amount: int) -> Instruction:
        funder = self.chain.fund(by).pubkey()
        accounts = {
            "funder": funder,
            "payer": funder,
            "pool": pool,
            "receipt": self.receipt(pool, by),
            "source": self.chain.token_account(funder, self.read(pool)["token"]),
            "vault": self.vault(pool),
        }
        return self.call("fund", accounts, {"amount": amount})

    def enter(self, by: str, pool: Pubkey, record: bytes) -> Instruction:
        entrant = self.chain.fund(by).pubkey()
        accounts = {
            "entrant": entrant,
            "payer": entrant,
            "pool": pool,
            "entry": self.entry(pool, by, record),
            "receipt": self.receipt(pool, by),
            "source": self.chain.token_account(entrant, self.read(pool)["token"]),
            "vault": self.vault(pool),
        }
        return self.call("enter", accounts, {"record": record})

    def publish(
        self, by: str, pool: Pubkey, root: bytes, total: int, leaf_count: int = 1, **args: Any
    ) -> Instruction:
        accounts = {"operator": self.chain.fund(by).pubkey(), "pool": pool}
        given = {"root": root, "total": total, "leaf_count": leaf_count}
        return self.call(
            "publish", accounts, given | {"manifest": bytes([8]) * 32, "cid": "bafkreib"} | args
        )

    def veto(self, by: str, pool: Pubkey) -> Instruction:
        return self.call("veto", {"guardian": self.chain.fund(by).pubkey(), "pool": pool})

    def fire(self, by: str, pool: Pubkey, round_: int) -> Instruction:
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "pool": pool,
            "feed": self.read(pool)["feed"],
        }
        return self.call("fire", accounts, {"round": round_})

    def claim(self, by: str, pool: Pubkey, leaf: Leaf, proof: Sequence[bytes]) -> Instruction:
        index, who, amount = leaf
        account, actor = wallet(who).pubkey(), self.chain.fund(by).pubkey()
        accounts = {
            "actor": actor,
            "payer": actor,
            "pool": pool,
            "page": self.page(pool, index),
            "vault": self.vault(pool),
            "destination": self.chain.token_account(account, self.read(pool)["token"]),
        }
        args = {"index": index, "account": account, "amount": amount}
        return self.call("claim", accounts, args | {"proof": [list(node) for node in proof]})

    def allocate(self, by: str, pool: Pubkey, leaf: Leaf, proof: Sequence[bytes]) -> Instruction:
        index, who, amount = leaf
        actor = self.chain.fund(by).pubkey()
        accounts = {
            "actor": actor,
            "payer": actor,
            "pool": pool,
            "page": self.page(pool, index),
            "voucher": self.voucher(pool, who),
        }
        args = {"index": index, "account": wallet(who).pubkey(), "amount": amount}
        return self.call("allocate", accounts, args | {"proof": [list(node) for node in proof]})

    def set_vendor(self, by: str, pool: Pubkey, vendor: str, allowed: bool = True) -> Instruction:
        operator = self.chain.fund(by).pubkey()
        accounts = {
            "operator": operator,
            "payer": operator,
            "pool": pool,
            "vendor_account": self.vendor(pool, vendor),
        }
        args = {"vendor": wallet(vendor).pubkey(), "allowed": allowed}
        return self.call("set_vendor", accounts, args)

    def signed_message(
        self, pool: Pubkey, vendor: str, amount: int, nonce: int, expiry: int
    ) -> bytes:
        """What a beneficiary signs; `expiry` in unix seconds."""
        parts = (self.cluster, self.interface.address, pool, wallet(vendor).pubkey())
        numbers = b"".join(n.to_bytes(8, "little", signed=n < 0) for n in (amount, nonce, expiry))
        return b"chainfold payouts redeem" + b"".join(bytes(part) for part in parts) + numbers

    def signature(
        self, by: str, pool: Pubkey, vendor: str, amount: int, nonce: int, expiry: int
    ) -> Instruction:
        message = self.signed_message(pool, vendor, amount, nonce, START + expiry)
        return ed25519_instruction(wallet(by), message)

    def redeem(
        self, by: str, pool: Pubkey, account: str, vendor: str, amount: int, expiry: int
    ) -> Instruction:
        owner = wallet(vendor).pubkey()
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "pool": pool,
            "voucher": self.voucher(pool, account),
            "vendor_account": self.vendor(pool, vendor),
            "vault": self.vault(pool),
            "destination": self.chain.token_account(owner, self.read(pool)["token"]),
        }
        return self.call("redeem", accounts, {"amount": amount, "expiry": START + expiry})

    def refund(self, by: str, pool: Pubkey, funder: str) -> Instruction:
        owner = wallet(funder).pubkey()
        receipt = self.receipt(pool, funder)
        data = self.chain.data(receipt)
        accounts = {
            "actor": self.chain.fund(by).pubkey(),
            "pool": pool,
            "receipt": receipt,
            "vault": self.vault(pool),
            "destination": self.chain.token_account(owner, self.read(pool)["token"]),
            "rent_payer": self.interface.account(data)["rent_payer"] if data else owner,
        }
        return self.call("refund", accounts)

    def reclaim(self, pool: Pubkey, part: Pubkey) -> Instruction:
        rent_payer = self.read(part)["rent_payer"]
        return self.call("reclaim", {"pool": pool, "part": part, "rent_payer": rent_payer})

    def close(self, pool: Pubkey) -> Instruction:
        state = self.read(pool)
        accounts = {
            "pool": pool,
            "vault": self.vault(pool),
            "destination": self.chain.token_account(state["operator"], state["token"]),
            "rent_payer": state["rent_payer"],
        }
        return self.call("close", accounts)

    # ---- transactions ----

    def send(self, *instructions: Instruction, **options: Any) -> Receipt:
        return self.chain.send(*instructions, signers=[wallet(name) for name in ACTORS], **options)

    def opened(self, by: str = "opener", **args: Any) -> Pubkey:
        pool = self.next_pool(by)
        self.send(self.open(by, **args))
        return pool

    def funded(self, amount: int = 1000, **args: Any) -> Pubkey:
        """Opened, and funded by `fiona`."""
        pool = self.opened(**args)
        self.chain.mint(wallet("fiona").pubkey(), self.read(pool)["token"], amount)
        self.send(self.fund("fiona", pool, amount))
        return pool

    def published(self, leaves: Sequence[Leaf], **args: Any) -> tuple[Pubkey, Tree]:
        """Funded with 1,000, published, and open for claims."""
        pool = self.funded(**args)
        tree = self.tree(pool, leaves)
        total = sum(amount for _, _, amount in leaves)
        self.send(self.publish("operator", pool, tree.root, total, len(leaves)))
        self.chain.at(self.chain.now - START + self.read(pool)["challenge_delay"])
        return pool, tree

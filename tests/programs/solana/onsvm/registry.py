"""The program registry: its addresses and its instructions with the accounts they want."""

from typing import Any

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from onsvm.chain import START, SYSTEM, Chain, Receipt, program_data, wallet

ADMIN, OPERATOR, RESOLVER, ARBITER, KYC_ISSUER, VENDOR = range(6)
ZERO = Pubkey.from_bytes(bytes(32))
DIGEST = bytes([7]) * 32


class Registry:
    """Actors are wallets by name; `root` is the first global admin once it is initialized."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.interface = chain.interfaces["registry"]
        self.counter = self.interface.pda(b"counter")
        self.global_scope = self.scope(ZERO, 0)

    # ---- addresses and state ----

    def creator_counter(self, creator: Pubkey) -> Pubkey:
        return self.interface.pda(b"creator", bytes(creator))

    def scope(self, creator: Pubkey, nonce: int) -> Pubkey:
        return self._entity(b"scope", creator, nonce)

    def _entity(self, seed: bytes, creator: Pubkey, nonce: int) -> Pubkey:
        return self.interface.pda(seed, bytes(creator), nonce.to_bytes(8, "little"))

    def next_entity(self, seed: bytes, creator: str) -> Pubkey:
        """The scope, attestation, record or playlist that `creator` would make now."""
        key = wallet(creator).pubkey()
        data = self.chain.data(self.creator_counter(key))
        nonce = self.interface.account(data)["next_nonce"] if data else 0
        return self._entity(seed, key, nonce)

    def grant(self, scope: Pubkey, account: Pubkey, role: int) -> Pubkey:
        return self.interface.pda(b"grant", bytes(scope), bytes(account), bytes([role]))

    def profile(self, owner: Pubkey) -> Pubkey:
        return self.interface.pda(b"profile", bytes(owner))

    def link(self, linked: Pubkey) -> Pubkey:
        return self.interface.pda(b"link", bytes(linked))

    def find(self, address: Pubkey) -> dict[str, Any] | None:
        data = self.chain.data(address)
        return self.interface.account(data) if data else None

    def read(self, address: Pubkey) -> dict[str, Any]:
        state = self.find(address)
        assert state is not None, f"no account {address}"
        return state

    def holds(self, scope: Pubkey, name: str, role: int) -> bool:
        return self.find(self.grant(scope, wallet(name).pubkey(), role)) is not None

    # ---- instructions ----

    def call(self, name: str, by: str, **given: Any) -> Instruction:
        """`name` called by `by`. Arguments are the instruction's own and the entities it is about,
        by the names that events have; addresses may be wallets' names."""
        me = self.chain.fund(by).pubkey()
        args = {k: v if k in TEXTS else self._address(v) for k, v in given.items()}
        payer = self._address(args.pop("payer", me))
        accounts: dict[str, Pubkey] = {}
        admin = self.grant(args.get("scope", self.global_scope), me, ADMIN)
        match name:
            case "initialize":
                grant = self.grant(self.global_scope, args["admin"], ADMIN)
                accounts = {"authority": me, "scope": self.global_scope, "grant": grant}
                accounts["program_data"] = program_data(self.interface.address)
            case "open_scope":
                scope = self.next_entity(b"scope", by)
                accounts = {"creator": me, "scope": scope, "grant": self.grant(scope, me, ADMIN)}
            case "grant":
                scope, role = args.pop("scope"), args["role"]
                grant = self.grant(scope, args["account"], role)
                accounts = {"admin": me, "scope": scope, "admin_grant": admin, "grant": grant}
            case "revoke":
                scope = args.pop("scope")
                grant = self.grant(scope, args.pop("account"), args.pop("role"))
                accounts = {"admin": me, "scope": scope, "admin_grant": admin, "grant": grant}
                accounts["rent_payer"] = (self.find(grant) or {}).get("rent_payer", me)
            case "announce":
                accounts = {"admin": me, "scope": args.pop("scope"), "admin_grant": admin}
            case "set_profile":
                accounts = {"wallet": me, "profile": self.profile(me)}
            case "link":
                linked = args.pop("wallet")
                accounts = {"owner": me, "wallet": linked, "profile": self.profile(me)}
                accounts["link"] = self.link(linked)
            case "unlink":
                link = self.link(args.pop("wallet"))
                state = self.find(link) or {}
                accounts = {"actor": me, "profile": self.profile(state.get("profile", me))}
                accounts |= {"link": link, "rent_payer": state.get("rent_payer", me)}
            case "set_profile_status":
                profile = self.profile(args.pop("profile"))
                accounts = {"admin": me, "admin_grant": admin, "profile": profile}
            case "attest":
                accounts = {"issuer": me, "attestation": self.next_entity(b"attestation", by)}
                accounts["issuer_grant"] = self.grant(args["scope"], me, KYC_ISSUER)
                args["expires_at"] = min(START + args["expires_at"], 2**63 - 1)
            case "revoke_attestation":
                attestation = args.pop("attestation")
                scope = (self.find(attestation) or {}).get("scope", ZERO)
                grant = self.grant(scope, me, ADMIN)
                accounts = {"actor": me, "attestation": attestation, "admin_grant": grant}
            case "create_record":
                accounts = {"owner": me, "record": self.next_entity(b"record", by)}
                accounts["parent"] = args.pop("parent", SYSTEM)
                args = {"kind": 0, "visibility": 0} | self._described(args) | {"tags": []} | args
            case "update_record" | "set_visibility" | "retire":
                accounts = {"owner": me, "record": args.pop("record")}
                if name == "update_record":
                    args = self._described(args) | {"tags": []} | args
            case "create_playlist":
                accounts = {"owner": me, "playlist": self.next_entity(b"playlist", by)}
                args = {"visibility": 0, "entries": 0} | self._described(args) | args
                del args["wistia"]
            case "update_playlist":
                accounts = {"owner": me, "playlist": args.pop("playlist")}
                args = {"visibility": 0, "entries": 0} | self._described(args) | args
                del args["wistia"]
            case _:
                raise ValueError(name)
        shared = {
            "payer": payer,
            "counter": self.counter,
            "creator_counter": self.creator_counter(me),
            "system_program": SYSTEM,
            "event_authority": self.interface.event_authority,
            "program": self.interface.address,
        }
        declared = self.interface.instructions[name]["accounts"]
        for account in declared:
            key = "".join("_" + c.lower() if c.isupper() else c for c in account["name"])
            if key not in accounts:
                accounts[key] = shared[key]
        encoded = {key: list(v) if isinstance(v, bytes) else v for key, v in args.items()}
        return self.interface.instruction(name, accounts, encoded)

    @staticmethod
    def _described(args: dict[str, Any]) -> dict[str, Any]:
        default = {"digest": DIGEST, "wistia": bytes(32), "cid": "bafy", "title": "A title"}
        return default | {key: args[key] for key in default if key in args}

    def _address(self, value: Any) -> Any:
        return self.chain.fund(value).pubkey() if value in NAMES else value

    # ---- transactions ----

    def send(self, *instructions: Instruction) -> Receipt:
        return self.chain.send(*instructions, signers=[wallet(name) for name in NAMES])

    def do(self, name: str, by: str, **given: Any) -> Receipt:
        return self.send(self.call(name, by, **given))

    def initialized(self) -> "Registry":
        self.do("initialize", "deployer", admin="root")
        return self

    def opened(self, by: str = "alice") -> Pubkey:
        """A scope of which `by` is the admin."""
        scope = self.next_entity(b"scope", by)
        self.do("open_scope", by, subject=bytes([1]) * 32)
        return scope

    def granted(self, scope: Pubkey, account: str, role: int, by: str = "alice") -> None:
        self.do("grant", by, scope=scope, account=account, role=role)

    def made(self, seed: bytes, name: str, by: str, **given: Any) -> Pubkey:
        """Makes an attestation, a record or a playlist; its address."""
        address = self.next_entity(seed, by)
        self.do(name, by, **given)
        return address


NAMES = ("deployer", "root", "alice", "bob", "carol", "dave", "mallory", "sponsor")
TEXTS = ("handle", "cid", "title")

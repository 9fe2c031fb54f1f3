"""What the builders take and give."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api.progress import Progress

Amount = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,39}$")]
Address = Annotated[str, StringConstraints(min_length=32, max_length=66)]
Digest = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]
Text = Annotated[str, StringConstraints(max_length=700)]
"""What is emitted only: 700 bytes of an event's texts together (SPEC G-6)."""


class Place(BaseModel):
    """A bet to be placed. ``payer`` and ``source`` are for Solana only."""

    model_config = ConfigDict(extra="forbid")

    market: Address = Field(description="the market's id")
    outcome: int = Field(ge=0, le=255, description="index of the outcome, from 0")
    amount: Amount = Field(
        description="stake in the token's smallest unit, in digits", examples=["5000000"]
    )
    bettor: Address = Field(description="who bets, and signs")
    payer: Address | None = Field(
        None, description="pays fee and rent, and signs; the bettor where absent"
    )
    source: Address | None = Field(
        None, description="token account of the stake; the bettor's associated one where absent"
    )


class OfMarket(BaseModel):
    """A call on a market that anyone may make. ``destination`` is for Solana only."""

    model_config = ConfigDict(extra="forbid")

    market: Address = Field(description="the market's id")
    actor: Address = Field(description="who sends, and signs")


class OfFees(OfMarket):
    """A call that may pay the market's fee recipient."""

    destination: Address | None = Field(
        None, description="token account of who is paid; its associated one where absent"
    )


class OfPosition(OfMarket):
    """A call on a bettor's position."""

    bettor: Address = Field(description="whose position it is")
    outcome: int = Field(ge=0, le=255, description="index of the outcome, from 0")


class ClaimBet(OfPosition):
    """A bettor is paid."""

    destination: Address | None = Field(
        None, description="token account of the bettor; its associated one where absent"
    )


class Agreed(BaseModel):
    """A call on an agreement. ``payer``, ``source`` and ``destination`` are for Solana only."""

    model_config = ConfigDict(extra="forbid")

    agreement: Address = Field(description="the agreement's id")


class Sign(Agreed):
    """The counterparty signs."""

    signer: Address = Field(description="the party that did not propose; signs")


class Fund(Agreed):
    """A party puts up its part: the buyer the price, the seller the margin."""

    party: Address = Field(description="the seller or the buyer; signs")
    source: Address | None = Field(
        None, description="token account it comes from; the party's associated one where absent"
    )


class Accept(Agreed):
    """The buyer accepts what was delivered."""

    buyer: Address = Field(description="signs")


class Withdraw(Agreed):
    """A party is paid what it is owed."""

    party: Address = Field(description="the seller or the buyer: who is paid")
    actor: Address | None = Field(None, description="who sends, and signs; the party where absent")
    destination: Address | None = Field(
        None, description="token account of the party; its associated one where absent"
    )


class OfAgreement(Agreed):
    """A call on an agreement that anyone may make."""

    actor: Address = Field(description="who sends, and signs")


class FixPrice(OfAgreement):
    """The feed's price becomes the agreement's."""

    round: int = Field(
        ge=0, lt=1 << 63, description="the first observation after delivery was due; 0: none came"
    )


class CloseAgreement(OfAgreement):
    """Rent goes back to who paid it."""

    destination: Address | None = Field(
        None, description="token account of the buyer; its associated one where absent"
    )


class OfPool(BaseModel):
    """A call on a pool that anyone may make. ``destination`` is for Solana only."""

    model_config = ConfigDict(extra="forbid")

    pool: Address = Field(description="the pool's id")
    actor: Address = Field(description="who sends, and signs")


class Fire(OfPool):
    """An observation of the feed fulfils the pool's trigger."""

    round: int = Field(ge=1, lt=1 << 63, description="the observation's number in its feed")


class Refund(OfPool):
    """A funder is paid back their part of what is left."""

    funder: Address = Field(description="who is paid")
    destination: Address | None = Field(
        None, description="token account of the funder; its associated one where absent"
    )


class Reclaim(OfPool):
    """Rent of a part of an ended pool goes back to who paid it."""

    part: Address = Field(description="a page, entry, vendor or voucher of the pool")


class ClosePool(OfPool):
    """Rent of an ended pool goes back to who paid it."""

    destination: Address | None = Field(
        None, description="token account of the operator; its associated one where absent"
    )


class Pooled(BaseModel):
    """A call on a pool. ``payer``, ``source`` and ``destination`` are for Solana only."""

    model_config = ConfigDict(extra="forbid")

    pool: Address = Field(description="the pool's id")
    amount: Amount = Field(description="in the token's smallest unit", examples=["5000000"])
    payer: Address | None = Field(
        None, description="pays fee and rent, and signs; who sends where absent"
    )


class FundPool(Pooled):
    """Money for a pool."""

    funder: Address = Field(description="who funds, and signs")
    source: Address | None = Field(
        None, description="token account it comes from; the funder's associated one where absent"
    )


class Claim(Pooled):
    """What the pool's tree says of an account."""

    index: int = Field(ge=0, lt=1 << 63, description="the leaf's index")
    account: Address = Field(description="who is paid")
    proof: list[Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]] = Field(
        max_length=64, description="the siblings from the leaf to the root"
    )
    actor: Address | None = Field(None, description="who sends, and signs; the account if absent")
    destination: Address | None = Field(
        None, description="token account of the account; its associated one where absent"
    )


class Held(BaseModel):
    """A call on an account's balance at the exchange."""

    model_config = ConfigDict(extra="forbid")

    account: Address = Field(description="whose balance it is; signs")
    token: Address = Field(description="the token's contract")
    amount: Amount = Field(description="in the token's smallest unit", examples=["5000000"])


class Deposit(Held):
    """Money for the exchange."""


class TakeOut(Held):
    """Money that is free, back from the exchange."""


class Market(BaseModel):
    """A call on one of the exchange's markets."""

    model_config = ConfigDict(extra="forbid")

    market: Address = Field(description="the market's id")
    owner: Address = Field(description="whose order it is; signs")


class PlaceOrder(Market):
    """An order to be placed."""

    side: int = Field(ge=0, le=1, description="0 buy, 1 sell")
    price: int = Field(ge=1, le=(1 << 24) - 2, description="limit, in the market's ticks")
    quantity: Amount = Field(description="in the market's lots", examples=["10"])
    kind: int = Field(
        0,
        ge=0,
        le=3,
        description="0 GoodTillCancelled, 1 ImmediateOrCancel, 2 FillOrKill, 3 PostOnly",
    )
    max_fills: int = Field(100, ge=1, le=100, description="trades that the call makes at most")


class CancelOrder(Market):
    """What rests of an order is to be cancelled."""

    order: Amount = Field(description="the order's number in its market", examples=["7"])


class Registered(BaseModel):
    """A call of the registry. ``payer`` is for Solana only."""

    model_config = ConfigDict(extra="forbid")

    payer: Address | None = Field(
        None, description="pays fee and rent, and signs; who sends where absent"
    )


class SetProfile(Registered):
    """What a wallet says of itself."""

    wallet: Address = Field(description="signs")
    metadata: Digest = Field(description="sha-256 of a document")
    handle: Text = ""
    cid: Text = Field("", description="where the document is (IPFS)")


class Link(Registered):
    """A second wallet for a profile: both sign. ``deadline`` and ``signature`` are for EVM only."""

    profile: Address = Field(description="the profile's wallet; signs")
    wallet: Address = Field(description="the wallet that is linked; signs")
    deadline: int | None = Field(
        None, ge=0, lt=1 << 64, description="last second, unix, at which the signature may be used"
    )
    signature: Annotated[str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2})*$")] | None = Field(
        None,
        max_length=8_194,
        description="the linked wallet's, by EIP-712: Link(address profile,address wallet,"
        "uint256 nonce,uint256 deadline), nonce from the contract's nonces(wallet)",
    )


class Granted(BaseModel):
    """A role in a scope."""

    model_config = ConfigDict(extra="forbid")

    scope: Address = Field(description="the scope's id")
    admin: Address = Field(description="an admin of the scope; signs")
    account: Address = Field(description="who gets it, or has it")
    role: int = Field(
        ge=0,
        le=5,
        description="0 admin, 1 operator, 2 resolver, 3 arbiter, 4 kyc_issuer, 5 vendor",
    )


class Grant(Granted):
    """A role to be given. ``payer`` is for Solana only."""

    payer: Address | None = Field(
        None, description="pays fee and rent, and signs; the admin where absent"
    )


class Revoke(Granted):
    """A role to be taken away."""


class Attest(Registered):
    """What an issuer says of a subject, by digest."""

    scope: Address = Field(description="the scope's id")
    issuer: Address = Field(description="a kyc_issuer of the scope; signs")
    subject: Address = Field(description="of whom it is said")
    kind: int = Field(ge=0, lt=1 << 16, description="a number that the scope gives a meaning")
    digest: Digest = Field(description="sha-256 of what is attested")
    expires_at: AwareDatetime = Field(description="RFC 3339")


class RevokeAttestation(BaseModel):
    """An attestation to be taken back."""

    model_config = ConfigDict(extra="forbid")

    attestation: Address = Field(description="the attestation's id")
    actor: Address = Field(description="its issuer, or an admin of its scope; signs")


class Record(BaseModel):
    """What a record says, all of it."""

    model_config = ConfigDict(extra="forbid")

    owner: Address = Field(description="signs")
    digest: Digest = Field(description="sha-256 of the document")
    wistia: Digest = Field("0x" + "00" * 32, description="sha-256 of the Wistia id; 0 for none")
    cid: Text = ""
    title: Text = ""
    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=32)]] = Field(
        [], max_length=16
    )


class CreateRecord(Record):
    """A record to be made."""

    kind: int = Field(
        ge=0,
        le=5,
        description="0 Video, 1 Clip, 2 Content, 3 Document, 4 Farm, 5 Commodity",
    )
    visibility: int = Field(0, ge=0, le=2, description="0 Public, 1 Unlisted, 2 Hidden")
    parent: Address | None = Field(None, description="the record it is part of; none where absent")
    payer: Address | None = Field(
        None, description="pays fee and rent, and signs; the owner where absent"
    )


class UpdateRecord(Record):
    """A record's digest, Wistia id, CID, title and tags, all anew."""

    record: Address = Field(description="the record's id")


class SetVisibility(BaseModel):
    """Who is to see a record; what was emitted stays on the chain."""

    model_config = ConfigDict(extra="forbid")

    record: Address = Field(description="the record's id")
    owner: Address = Field(description="signs")
    visibility: int = Field(ge=0, le=2, description="0 Public, 1 Unlisted, 2 Hidden")


class ProgramError(BaseModel):
    """Why a simulation failed: the program's own name for it, or the node's words."""

    name: str | None = Field(description="e.g. BettingClosed; null where the node gave no name")
    message: str
    arguments: dict[str, str] = {}


class Simulation(BaseModel):
    """What would have happened on the newest block. ``logs`` are Solana's."""

    ok: bool
    error: ProgramError | None = None
    logs: list[str] = []


class EvmCall(BaseModel):
    """One transaction to be sent. Wallets fill in the nonce."""

    description: str
    to: str
    data: str
    value: str
    gas: str | None = Field(
        description="gas limit; null where it can't be known before the calls ahead are mined"
    )


class EvmFees(BaseModel):
    """Wei for a unit of gas (EIP-1559), decimal."""

    max_fee_per_gas: str
    max_priority_fee_per_gas: str


class EvmTransaction(BaseModel):
    """Calls to be signed by ``sender`` and sent in their order."""

    kind: Literal["evm"] = "evm"
    chain_id: int
    sender: str
    calls: list[EvmCall]
    fees: EvmFees
    simulation: Simulation


class SolanaTransaction(BaseModel):
    """A versioned transaction (v0) with empty signatures. ``fee`` and ``rent``: lamports."""

    kind: Literal["solana"] = "solana"
    transaction: str = Field(description="base64")
    signers: list[str]
    blockhash: str
    last_valid_block_height: int
    fee: str
    rent: str = Field(description="deposit for a new account, back to the payer at its closing")
    simulation: Simulation


Transaction = Annotated[EvmTransaction | SolanaTransaction, Field(discriminator="kind")]


class TransactionAnswer(BaseModel):
    """The form of every answer."""

    data: Transaction
    next: None
    chains: dict[str, Progress]

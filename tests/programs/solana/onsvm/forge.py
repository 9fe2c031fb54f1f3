"""Instructions and accounts that no honest client would send."""

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from onsvm.chain import LAMPORTS, Chain
from onsvm.interface import Interface


def with_account(ix: Instruction, at: int, address: Pubkey) -> Instruction:
    """`ix` with another account in place `at`, its flags kept."""
    metas = list(ix.accounts)
    metas[at] = AccountMeta(address, metas[at].is_signer, metas[at].is_writable)
    return Instruction(ix.program_id, bytes(ix.data), metas)


def with_flags(
    ix: Instruction, at: int, signer: bool | None = None, writable: bool | None = None
) -> Instruction:
    """`ix` with the flags of account `at` changed where given."""
    metas = list(ix.accounts)
    old = metas[at]
    metas[at] = AccountMeta(
        old.pubkey,
        old.is_signer if signer is None else signer,
        old.is_writable if writable is None else writable,
    )
    return Instruction(ix.program_id, bytes(ix.data), metas)


def with_data(ix: Instruction, data: bytes) -> Instruction:
    return Instruction(ix.program_id, data, list(ix.accounts))


def with_accounts(ix: Instruction, metas: list[AccountMeta]) -> Instruction:
    return Instruction(ix.program_id, bytes(ix.data), metas)


def clone(
    chain: Chain,
    address: Pubkey,
    owner: Pubkey | None = None,
    data: bytes | None = None,
) -> Pubkey:
    """A copy of an account at a fresh address, with another owner or other data if given."""
    account = chain.svm.get_account(address)
    assert account is not None
    copy = Pubkey.new_unique()
    chain.put(copy, owner or account.owner, account.data if data is None else data)
    return copy


def off_bump(interface: Interface, *seeds: bytes) -> Pubkey:
    """A valid address of `seeds` whose bump is not the canonical one."""
    _, canonical = Pubkey.find_program_address(list(seeds), interface.address)
    for bump in range(canonical - 1, -1, -1):
        try:
            return Pubkey.create_program_address([*seeds, bytes([bump])], interface.address)
        except Exception as error:  # solders does not export its PubkeyError
            if "valid address" not in str(error):
                raise
    raise AssertionError("no second bump")


__all__ = [
    "LAMPORTS", "clone", "off_bump", "with_account", "with_accounts", "with_data", "with_flags",
]  # fmt: skip

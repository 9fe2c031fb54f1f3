"""`chainfold deploy` on an EVM chain: what is there, what it costs, and that it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click

from deploy import builds, evm
from deploy import key as keys
from deploy.terms import Options, Stands, agreed, each, eth, tell
from indexer.config import Chain, Config
from indexer.errors import Fatal
from indexer.rpc.client import Rpc
from indexer.rpc.fees import Fees, offered
from indexer.rpc.url import redact

_NO_CODE = ("0x", "0x0", None)


@dataclass(frozen=True, slots=True)
class _Work:
    """``there``: the addresses of programs for which there is nothing to do; ``creations``: the
    others, the first with ``nonce``, at ``new``."""

    there: Mapping[str, str]
    creations: Sequence[evm.Creation]
    new: Mapping[str, str]
    nonce: int
    admin: str


async def deploy(
    config: Config,
    chain: Chain,
    wanted: Sequence[str],
    options: Options,
    done: Callable[[Stands], None],
) -> None:
    """``done`` is told of each of ``wanted`` when it stands. Raises Fatal, and Retryable."""
    store = keys.Keystore(options.key)
    async with Rpc(chain.rpc, name=chain.name, attempts=4, timeout=15.0) as rpc:
        for label, answer in await each(rpc, chain, "eth_chainId"):
            if int(answer, 16) != chain.chain_id:
                raise Fatal(
                    f"{chain.name}: {label} serves chain id {int(answer, 16)}, but "
                    f"chains.{chain.name}.chain_id is {chain.chain_id}: correct one of the two"
                )
        account = store.unlock(_password(options))
        work = await _work(rpc, config, chain, account.address, wanted, options)
        fees = await offered(rpc)
        await _tell(rpc, chain, account.address, work, fees)
        if not work.creations:
            return
        agreed(options)

        def made(one: evm.Made) -> None:
            interface = builds.INTERFACES / f"{evm.PROGRAMS[one.name][0]}.abi.json"
            done(Stands(one.name, one.address, interface, one.height))

        def sent(name: str, address: str, tx: str) -> None:
            tell(f"{name}: sent to stand at {address} ({tx})")

        await evm.create(rpc, chain, account, work.nonce, work.creations, fees, sent, made)


def _password(options: Options) -> str:
    if options.password_file is not None:
        return keys.read(options.password_file, "--password-file")
    try:
        return click.prompt(f"Password of {options.key}", hide_input=True, err=True)
    except click.Abort:
        raise Fatal(
            f"the password of {options.key} was not given: type it, or name --password-file"
        ) from None


async def _work(
    rpc: Rpc,
    config: Config,
    chain: Chain,
    sender: str,
    wanted: Sequence[str],
    options: Options,
) -> _Work:
    """Raises Fatal where other code is, or what a constructor wants is not."""
    standing = {p.name: p.address for p in config.programs_on(chain.name) if p.factory is None}
    standing |= {"admin": sender} | dict(options.given)
    codes = dict(zip(wanted, await _codes(rpc, [standing.get(n, "") for n in wanted]), strict=True))
    todo = [name for name in wanted if not codes[name]]
    nonce = await evm.next_nonce(rpc, chain.name, sender) if todo else 0
    new = {name: evm.create_address(sender, nonce + i) for i, name in enumerate(todo)}
    creations: list[evm.Creation] = []
    for name in wanted:
        build, wants = evm.PROGRAMS[name]
        argument = await _argument(rpc, chain, name, wants, new, standing)
        code = evm.creation_code(build, argument)
        if name in new:
            creations.append(evm.Creation(name, code, await evm.gas(rpc, sender, code)))
        elif not await evm.same_code(rpc, code, codes[name]):
            raise Fatal(
                f"{chain.name}: {config.path.name} has {name} at {standing[name]}, where other "
                "code is: take it out of there to deploy another, or leave it out of this command"
            )
    there = {name: standing[name] for name in wanted if codes[name]}
    return _Work(there, creations, new, nonce, standing["admin"])


async def _tell(rpc: Rpc, chain: Chain, sender: str, work: _Work, fees: Fees) -> None:
    """What will be done and what it costs. Raises Fatal where the sender has less."""
    has = int(await rpc.call("eth_getBalance", [sender, "latest"]), 16)
    cost = sum(one.gas for one in work.creations) * fees.price
    if cost > has:
        raise Fatal(
            f"{chain.name}: {sender} has {eth(has)}, and this may take {eth(cost)}: send it "
            f"{eth(cost - has)} more"
        )
    where = f"{chain.name} (chain id {chain.chain_id}, {redact(chain.rpc[0])})"
    tell(f"{where}, paid by {sender}, who has {eth(has)}")
    for name, address in work.there.items():
        tell(f"  {name:9} {address}: the same code is there: nothing to do")
    for one in work.creations:
        most = eth(one.gas * fees.price)
        tell(f"  {one.name:9} {work.new[one.name]}: {one.gas:,} gas; {most} at most")
    if "registry" in work.new:
        tell(f"  registry's first admin: {work.admin}")
    if work.creations:
        tell(f"  in all    {eth(cost)} at most, at {fees.price / 10**9:g} gwei")


async def _codes(rpc: Rpc, addresses: Sequence[str]) -> list[str]:
    """The code at each, 0x-hex; "" where none is."""
    calls = [("eth_getCode", [address, "latest"]) for address in addresses if address]
    answers = iter(await rpc.batch(calls) if calls else [])
    found = [next(answers) if address else None for address in addresses]
    return ["" if code in _NO_CODE else code for code in found]


async def _argument(
    rpc: Rpc,
    chain: Chain,
    name: str,
    wants: str,
    new: Mapping[str, str],
    standing: Mapping[str, str],
) -> str:
    """The address that a constructor wants. Raises Fatal where there is none."""
    if not wants or wants == "admin":
        return standing["admin"] if wants else ""
    address = new.get(wants) or standing.get(wants, "")
    if wants not in new and not (await _codes(rpc, [address]))[0]:
        at = f"has no code at {address}" if address else "is nowhere to be seen"
        raise Fatal(
            f"{chain.name}: {name} wants {wants}, which {at}: deploy {wants} too, or name it by "
            f"--with {wants}=0x…"
        )
    return address

"""`chainfold deploy` on a Solana cluster: what may go there, what it costs, and that it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from deploy import builds, cluster, solana
from deploy import key as keys
from deploy.terms import Options, Stands, agreed, each, sol, tell
from indexer.config import Chain
from indexer.errors import Fatal, Retryable
from indexer.rpc.client import Rpc
from indexer.rpc.url import redact

_PLATFORM_BUILDS = builds.SOLANA.parent / "target" / "deploy"


async def deploy(
    chain: Chain, wanted: Sequence[str], options: Options, done: Callable[[Stands], None]
) -> None:
    """``done`` is told of each of ``wanted`` when it stands. Raises Fatal, and Retryable."""
    payer = keys.solana(options.key)
    programs = [keys.solana(file, "--program-key") for file in options.program_keys]
    async with Rpc(chain.rpc, name=chain.name, attempts=4, timeout=15.0) as rpc:
        genesis_hash = await _genesis_hash(rpc, chain)
        found = [_build(chain, name, genesis_hash, options.folder) for name in wanted]
        plans = await _plans(rpc, chain, payer.pubkey(), programs, found, options)
        todo = [plan for plan in plans.values() if plan is not None]
        await _tell(rpc, chain, payer.pubkey(), genesis_hash, found, plans)
        if not todo:
            return
        agreed(options)
        for plan in todo:
            try:
                slot = await solana.carry_out(rpc, chain.name, payer, plan, tell)
            except Retryable as error:
                raise Retryable(f"{error}: run the same command again, it goes on there") from error
            tell(f"{plan.build.name}: deployed at {plan.build.id} in slot {slot}")
            interface = builds.INTERFACES / f"{plan.build.name}.idl.json"
            done(Stands(plan.build.name, str(plan.build.id), interface, slot))


async def _genesis_hash(rpc: Rpc, chain: Chain) -> str:
    """Of all of the chain's nodes that answer. Raises Fatal where it isn't the configuration's."""
    found = chain.genesis_hash
    for label, answer in await each(rpc, chain, "getGenesisHash"):
        if found is not None and answer != found:
            raise Fatal(
                f"{chain.name}: {label} serves the chain of genesis hash {answer}, not {found}: "
                f"correct chains.{chain.name}.genesis_hash or its rpc"
            )
        found = answer
    assert found is not None
    return found


def _build(chain: Chain, name: str, genesis_hash: str, folder: Path | None) -> builds.Build:
    """The build of a program, which may go to this cluster."""
    if folder is None:
        there = (_PLATFORM_BUILDS / f"{name}.so").exists()
        folder = _PLATFORM_BUILDS if there else builds.SOLANA
    build = builds.program(name, folder)
    if cluster.local(genesis_hash, chain.rpc):
        return build
    where = f"{chain.name} is no local cluster ({cluster.known_as(genesis_hash)})"
    if not build.tool.startswith(builds.PLATFORM_TOOLS):
        raise Fatal(
            f"{where}, and {build.file} comes from {build.tool}: install Solana's tools, build by "
            f"programs/solana/build.py {name}, and deploy what `cargo build-sbf` made"
        )
    # SPEC: leaves and vouchers are for one cluster, which its genesis hash names
    if name == "payouts" and build.constants.get("CHAINFOLD_CLUSTER") != genesis_hash:
        raise Fatal(
            f"{where}, and payouts is built for {build.constants.get('CHAINFOLD_CLUSTER')}: build "
            f"it with CHAINFOLD_CLUSTER={genesis_hash}"
        )
    return build


def _agree(chain: Chain, found: Sequence[builds.Build]) -> None:
    """Raises Fatal where a program was built to read another at an address that isn't its own."""
    for build in found:
        for other in found:
            read = build.constants.get(other.variable, str(other.id))
            if read != str(other.id):
                raise Fatal(
                    f"{chain.name}: {build.name} is built for {other.name} at {read}, and "
                    f"{other.name} for {other.id}: build both with {other.variable}={other.id}"
                )


async def _plans(
    rpc: Rpc,
    chain: Chain,
    payer: Pubkey,
    programs: Sequence[Keypair],
    found: Sequence[builds.Build],
    options: Options,
) -> dict[Pubkey, solana.Plan | None]:
    """By id, what is to be done; None where nothing is."""
    _agree(chain, found)
    for file, pair in zip(options.program_keys, programs, strict=True):
        if all(pair.pubkey() != build.id for build in found):
            raise Fatal(
                f"{file} is the key of {pair.pubkey()}, which none of "
                f"{', '.join(b.name for b in found)} is built for: build for it, or leave it out"
            )
    keys_of = {pair.pubkey(): pair for pair in programs}
    return {b.id: await solana.plan(rpc, chain.name, payer, b, keys_of) for b in found}


async def _tell(
    rpc: Rpc,
    chain: Chain,
    payer: Pubkey,
    genesis_hash: str,
    found: Sequence[builds.Build],
    plans: Mapping[Pubkey, solana.Plan | None],
) -> None:
    """What will be done and what it costs. Raises Fatal where the payer has less."""
    has = await solana.balance(rpc, payer)
    cost = sum(plan.cost for plan in plans.values() if plan is not None)
    # what is left over must be an account's minimum
    short = cost + await solana.least(rpc) - has
    if cost and short > 0:
        raise Fatal(
            f"{chain.name}: {payer} has {sol(has)}, and this takes {sol(cost)}: send it "
            f"{sol(short)} more"
        )
    where = f"{chain.name} ({cluster.known_as(genesis_hash)}, {redact(chain.rpc[0])})"
    tell(f"{where}, paid by {payer}, who has {sol(has)}")
    for build in found:
        plan = plans[build.id]
        if plan is None:
            tell(f"  {build.name:9} {build.id}: the same code is there: nothing to do")
            continue
        tell(
            f"  {build.name:9} {build.id}: {len(build.elf):,} bytes by {build.tool}, "
            f"{len(plan.missing)} of {plan.parts} parts to write; {sol(plan.cost)}, of it fees "
            f"{sol(plan.fees)}"
        )
    if cost:
        tell(f"  in all    {sol(cost)}; {payer} may upgrade what is deployed")

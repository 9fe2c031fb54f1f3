"""OpenZeppelin's ERC-20 and ERC-721 on a local chain: transfers, indexed, held to the contracts.

.venv/bin/python -m examples.openzeppelin.run
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from web3 import Web3

from examples import project
from localnet import anvil

HERE = Path(__file__).parent
NPM = project.ROOT / "node_modules" / "@openzeppelin"
BUILT = NPM / "contracts" / "build" / "contracts"


def compiled() -> dict[str, Any]:
    """``Coin.sol`` with OpenZeppelin's sources: abi and bytecode by contract."""
    job = {
        "language": "Solidity",
        "sources": {"Coin.sol": {"content": (HERE / "Coin.sol").read_text("utf-8")}},
        "settings": {
            "remappings": [f"@openzeppelin/={NPM}/"],
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }
    solc = project.ROOT / "programs" / "evm" / "tools" / "solc-js"
    done = subprocess.run(
        [solc, "--standard-json"], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)["contracts"]["Coin.sol"]


def play(web3: Web3) -> tuple[Any, Any]:
    """Deploys both, moves coins and cards about; the contracts."""
    accounts = web3.eth.accounts[:5]

    def send(call: Any, sender: str) -> Any:
        return web3.eth.wait_for_transaction_receipt(call.transact({"from": sender}))

    deployed: list[Any] = []
    for name in ("Coin", "Card"):
        built = compiled()[name]
        factory = web3.eth.contract(abi=built["abi"], bytecode=built["evm"]["bytecode"]["object"])
        address = send(factory.constructor(), accounts[0])["contractAddress"]
        deployed.append(web3.eth.contract(address=address, abi=built["abi"]))
    coin, card = deployed
    for i, holder in enumerate(accounts[1:], 1):
        send(coin.functions.transfer(holder, i * 10**18), accounts[0])
        send(card.functions.mint(holder), accounts[0])
    for i in range(1, 5):
        there = accounts[(i + 1) % 5]
        send(coin.functions.transfer(there, i * 10**17), accounts[i])
        send(card.functions.transferFrom(accounts[i], there, i), accounts[i])
    return coin, card


async def main() -> int:
    with TemporaryDirectory(prefix="chainfold-example-") as folder:
        node = await anvil.start(Path(folder) / "anvil.log", block_time=None)
        try:
            return await asyncio.to_thread(run, Path(folder) / "project", node.url)
        finally:
            await node.process.stop()


def run(folder: Path, url: str) -> int:
    """Indexes into ``folder``; 0 where the tables say what the contracts do."""
    web3 = Web3(Web3.HTTPProvider(url))
    coin, card = play(web3)
    abis = (BUILT / "ERC20.json", BUILT / "ERC721.json")
    toml = project.copied(HERE, folder, *abis, rpc=("http://127.0.0.1:8545", url))
    project.chainfold(toml, "index", "--once")
    project.chainfold(toml, "verify")
    with project.tables(toml) as tables:
        balances = tables.execute('SELECT "to", balance FROM balances ORDER BY 1').fetchall()
        cards = tables.execute(
            "SELECT token_id, owner, moved FROM cards ORDER BY token_id"
        ).fetchall()
    project.show("balances", ("holder", "balance"), balances)
    project.show("cards", ("card", "owner", "moved"), cards)
    wrong = [
        (holder, balance)
        for holder, balance in balances
        if coin.functions.balanceOf(Web3.to_checksum_address(holder)).call() != balance
    ] + [
        (number, owner)
        for number, owner, _ in cards
        if card.functions.ownerOf(int(number)).call().lower() != owner
    ]
    print(f"\n{len(balances)} balances and {len(cards)} owners, {len(wrong)} other than on chain")
    return 1 if wrong or len(balances) != 5 or len(cards) != 4 else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

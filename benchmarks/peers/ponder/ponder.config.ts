import { createConfig } from "ponder";
import { type Address, parseAbi } from "viem";

const { BENCH_RPC, BENCH_ADDRESS, BENCH_TIP, BENCH_DATABASE } = process.env;

const abi = parseAbi([
  "event BetPlaced(bytes32 indexed market, uint64 seq, address indexed actor, address indexed bettor, uint8 outcome, uint120 amount, uint120 stakeAfter, uint120 poolAfter, uint120 totalAfter)",
]);

export default createConfig({
  database: { kind: "postgres", poolConfig: JSON.parse(BENCH_DATABASE!) },
  chains: {
    // disableCache: what Ponder's guide says for anvil. Ranges of eth_getLogs: Ponder learns them.
    anvil: { id: 31337, rpc: BENCH_RPC, pollingInterval: 100, disableCache: true },
  },
  contracts: {
    Bets: {
      chain: "anvil",
      abi,
      address: BENCH_ADDRESS as Address,
      startBlock: 0,
      // All of it is final, so all of it goes Ponder's fast way: its historical sync.
      endBlock: Number(BENCH_TIP),
      filter: { event: "BetPlaced", args: {} },
    },
  },
});

const { event, indexed } = require("@subsquid/evm-abi");
const { address, bytes32, uint120, uint64, uint8 } = require("@subsquid/evm-codec");
const { EvmBatchProcessor } = require("@subsquid/evm-processor");
const { TypeormDatabase } = require("@subsquid/typeorm-store");
const { BetPlaced } = require("./model");

const { BENCH_RPC, BENCH_ADDRESS, BENCH_TIP, BENCH_TOPIC } = process.env;
const bets = BENCH_ADDRESS.toLowerCase();

const placed = event(
  BENCH_TOPIC,
  "BetPlaced(bytes32,uint64,address,address,uint8,uint120,uint120,uint120,uint120)",
  {
    market: indexed(bytes32),
    seq: uint64,
    actor: indexed(address),
    bettor: indexed(address),
    outcome: uint8,
    amount: uint120,
    stakeAfter: uint120,
    poolAfter: uint120,
    totalAfter: uint120,
  },
);

const processor = new EvmBatchProcessor()
  // No rateLimit; batches and requests in flight as wide as a local node takes them.
  .setRpcEndpoint({ url: BENCH_RPC, capacity: 10, maxBatchCallSize: 100 })
  .setFinalityConfirmation(10)
  .setBlockRange({ from: 0, to: Number(BENCH_TIP) })
  .setFields({ log: { topics: true, data: true } })
  .addLog({ address: [bets], topic0: [placed.topic] });

// Everything is final: without hot blocks the store keeps no undo log and is at its fastest.
const database = new TypeormDatabase({ supportHotBlocks: false });

processor.run(database, async (ctx) => {
  const rows = [];
  for (const block of ctx.blocks) {
    for (const log of block.logs) {
      if (log.address !== bets || log.topics[0] !== placed.topic) continue;
      const { market, bettor, outcome, amount } = placed.decode(log);
      const height = block.header.height;
      const { id, logIndex } = log;
      rows.push(new BetPlaced({ id, height, logIndex, market, bettor, outcome, amount }));
    }
  }
  await ctx.store.insert(rows);
});

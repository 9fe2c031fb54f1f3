const { EntitySchema } = require("typeorm");

class BetPlaced {
  constructor(columns) {
    Object.assign(this, columns);
  }
}

// Postgres' numeric is a string in JavaScript; Subsquid's own generated models convert likewise.
const bigint = { to: (value) => value?.toString(), from: (value) => value && BigInt(value) };

const betPlaced = new EntitySchema({
  name: "BetPlaced",
  target: BetPlaced,
  tableName: "bet_placed",
  columns: {
    id: { type: "varchar", primary: true },
    height: { type: "int4" },
    logIndex: { type: "int4" },
    market: { type: "text" },
    bettor: { type: "text" },
    outcome: { type: "int4" },
    amount: { type: "numeric", transformer: bigint },
  },
});

module.exports = { BetPlaced, betPlaced };

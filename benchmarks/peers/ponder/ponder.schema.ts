import { onchainTable, primaryKey } from "ponder";

export const betPlaced = onchainTable(
  "bet_placed",
  (t) => ({
    height: t.integer().notNull(),
    logIndex: t.integer().notNull(),
    market: t.hex().notNull(),
    bettor: t.hex().notNull(),
    outcome: t.integer().notNull(),
    amount: t.bigint().notNull(),
  }),
  (table) => ({ pk: primaryKey({ columns: [table.height, table.logIndex] }) }),
);

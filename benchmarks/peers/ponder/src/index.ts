import { ponder } from "ponder:registry";
import { betPlaced } from "ponder:schema";

ponder.on("Bets:BetPlaced", async ({ event, context }) => {
  await context.db.insert(betPlaced).values({
    height: Number(event.block.number),
    logIndex: event.log.logIndex,
    market: event.args.market,
    bettor: event.args.bettor,
    outcome: event.args.outcome,
    amount: event.args.amount,
  });
});

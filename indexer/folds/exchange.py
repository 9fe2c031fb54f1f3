"""State of the `exchange` program: its markets, books, orders, trades and balances."""

from indexer.folds.algebra import count, first, fold, last, max_, min_, sum_
from indexer.folds.views import join, view

exchange_markets = fold(
    "exchange_markets",
    program="exchange",
    key="market",
    doc="One row a market, with its last trade. quantity: lots of `lot` smallest units of base; "
    "price: ticks of `tick` smallest units of quote for a lot; volume: quote.",
    columns={
        "creator": first("MarketOpened.actor"),
        "base": first("base"),
        "quote": first("quote"),
        "lot": first("lot"),
        "tick": first("tick"),
        "min_notional": first("min_notional"),
        "opened_at": first("MarketOpened.time"),
        "orders": count("OrderPlaced"),
        "trades": count("TradeExecuted"),
        "volume": sum_("TradeExecuted.worth"),
        "last_price": last("TradeExecuted.price"),
        "last_quantity": last("TradeExecuted.quantity"),
        "last_trade_at": last("TradeExecuted.time"),
        "events": count(),
        "seq": max_("seq"),
    },
)

price_levels = fold(
    "price_levels",
    program="exchange",
    key=("market", "side", "price"),
    doc="One row a price at which an order ever was. side: 0 Buy, 1 Sell. Lots: left of orders "
    "when they were placed, traded with those that rested, and cancelled.",
    columns={
        "placed": sum_("OrderPlaced.left_after"),
        "traded": sum_("TradeExecuted.quantity"),
        "cancelled": sum_("OrderCancelled.quantity"),
    },
)

book_depth = view(
    "book_depth",
    of="price_levels",
    joins=[join("exchange_markets", market="market")],
    doc="One row a price at which something rests: lots, and what they are worth in quote.",
    columns={
        "quantity": "price_levels.placed - price_levels.traded - price_levels.cancelled",
        "worth": "(price_levels.placed - price_levels.traded - price_levels.cancelled) "
        "* price_levels.price * exchange_markets.tick",
    },
    where="price_levels.placed > price_levels.traded + price_levels.cancelled",
)

orders = fold(
    "orders",
    program="exchange",
    key=("market", "order"),
    doc="One row an order. side: 0 Buy, 1 Sell; kind: 0 GoodTillCancelled, 1 ImmediateOrCancel, "
    "2 FillOrKill, 3 PostOnly; left: what rests; rested: what was left when it was placed; "
    "reason of a cancellation: 0 Owner, 1 Immediate, 2 SelfTrade, 3 MaxFills. Lots.",
    columns={
        "owner": first("OrderPlaced.actor"),
        "side": first("OrderPlaced.side"),
        "kind": first("OrderPlaced.kind"),
        "price": first("OrderPlaced.price"),
        "quantity": first("OrderPlaced.quantity"),
        "rested": first("OrderPlaced.left_after"),
        "placed_at": first("OrderPlaced.time"),
        "left": last("left_after"),
        "fills": count("TradeExecuted"),
        "filled": sum_("TradeExecuted.quantity"),
        "last_fill_at": last("TradeExecuted.time"),
        "cancelled": sum_("OrderCancelled.quantity"),
        "reason": last("OrderCancelled.reason"),
        "cancelled_at": last("OrderCancelled.time"),
    },
)

trades = fold(
    "trades",
    program="exchange",
    key=("market", "trade"),
    doc="One row a trade. side: the maker's; order: the maker's; price: ticks, quantity: lots, "
    "worth: quote.",
    columns={
        "taker": first("TradeExecuted.actor"),
        "maker": first("maker"),
        "order": first("TradeExecuted.order"),
        "taker_order": first("taker_order"),
        "side": first("TradeExecuted.side"),
        "price": first("TradeExecuted.price"),
        "quantity": first("TradeExecuted.quantity"),
        "worth": first("worth"),
        "traded_at": first("TradeExecuted.time"),
    },
)

trading_days = fold(
    "trading_days",
    program="exchange",
    key=("market", "day"),
    doc="One row a market's day (days since 1970-01-01, UTC) with trades: prices in ticks, "
    "quantity in lots, volume in quote.",
    columns={
        "open": first("TradeExecuted.price"),
        "high": max_("TradeExecuted.price"),
        "low": min_("TradeExecuted.price"),
        "close": last("TradeExecuted.price"),
        "trades": count("TradeExecuted"),
        "quantity": sum_("TradeExecuted.quantity"),
        "volume": sum_("TradeExecuted.worth"),
    },
)

balances = fold(
    "balances",
    program="exchange",
    key="balance",
    doc="One row an account's balance of a token: what is free of it. Amounts in the token's "
    "smallest unit. change: 0 Deposit, 1 Withdrawal, 2 Order, 3 Trade, 4 Cancellation.",
    columns={
        "account": first("account"),
        "token": first("token"),
        "free": last("balance_after"),
        "deposited": sum_("BalanceChanged.amount", where="change = 0"),
        "withdrawn": sum_("BalanceChanged.amount", where="change = 1"),
        "events": count("BalanceChanged"),
        "seq": max_("BalanceChanged.seq"),
    },
)

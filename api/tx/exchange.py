"""What is built of `exchange`."""

from __future__ import annotations

from api.tx.call import Call, Who
from api.tx.entity import Entity, Kind
from api.tx.model import CancelOrder, Deposit, PlaceOrder, TakeOut

MARKET = Kind("exchange", "exchange_market_opened", "market", "exchange_markets", paid=False)
BALANCE = Kind("exchange", "exchange_balance_changed", "", "balances", paid=False)


def deposit(body: Deposit, _: Entity) -> Call:
    account, amount = Who("account", body.account), int(body.amount)
    values = {"token": Who("token", body.token), "amount": amount}
    return Call("deposit", f"deposit {amount}", account, values, {}, spends=amount)


def withdraw(body: TakeOut, _: Entity) -> Call:
    account, amount = Who("account", body.account), int(body.amount)
    values = {"token": Who("token", body.token), "amount": amount}
    return Call("withdraw", f"withdraw {amount}", account, values, {})


def place(body: PlaceOrder, market: Entity) -> Call:
    owner, quantity = Who("owner", body.owner), int(body.quantity)
    return Call(
        "place",
        f"{('buy', 'sell')[body.side]} {quantity} lots at {body.price} ticks",
        owner,
        {
            "side": body.side,
            "price": body.price,
            "quantity": quantity,
            "kind": body.kind,
            "max_fills": body.max_fills,
        },
        {},
    )


def cancel(body: CancelOrder, market: Entity) -> Call:
    owner, order = Who("owner", body.owner), int(body.order)
    return Call("cancel", f"cancel order {order}", owner, {"order": order}, {})

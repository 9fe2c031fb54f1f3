"""Unsigned transactions: built from interfaces and indexed state, signed elsewhere."""

from api.tx.route import add

__all__ = ["add"]

"""POST /v1/tx/{chain}/bets/place."""

from __future__ import annotations

from fastapi import APIRouter

from api.catalog import Catalog


def add(router: APIRouter, catalog: Catalog) -> None:
    pass

"""The indexer's two kinds of error in Dagster's words."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from indexer.errors import Fatal, Retryable
from indexer.log.database import translated

ATTEMPTS = 5
WAIT = 2.0
"""Seconds before the first retry where the other side named none; it doubles each time."""


@contextmanager
def told(retry_number: int) -> Generator[None]:
    """Retryable asks for a retry, Fatal fails the run with its one line and no retry."""
    try:
        with translated():
            yield
    except Retryable as error:
        wait = error.after if error.after is not None else WAIT * 2**retry_number
        raise dg.RetryRequested(max_retries=ATTEMPTS, seconds_to_wait=wait) from error
    except Fatal as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error

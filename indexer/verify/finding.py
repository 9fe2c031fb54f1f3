"""What a proof found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One proof: ``what`` was proven, whether it holds, and in numbers."""

    what: str
    ok: bool
    detail: str

"""Proofs: of the tables among themselves, against the chain read anew, and against its accounts."""

from __future__ import annotations

from indexer.verify.finding import Finding
from indexer.verify.tables import fold_is_oracle, no_gaps, seq_has_no_hole, verify

__all__ = ["Finding", "fold_is_oracle", "no_gaps", "seq_has_no_hole", "verify"]

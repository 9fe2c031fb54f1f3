"""A node's JSON-RPC answer: a result or a fault for each call (JSON-RPC 2.0 specification)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from indexer.rpc.errors import Fault, Kind
from indexer.rpc.faults import classify

Call = tuple[str, Sequence[Any]]
"""A method and its parameters."""

Shapes = Mapping[str, Callable[[msgspec.Raw], Any]]
"""Method → what reads the JSON of its result, or raises msgspec.DecodeError.

Made for decoders of structs: what those don't name is skipped without making an object of it. A
method that isn't here gives plain Python values.
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """One call's outcome: exactly one of ``result`` and ``fault`` counts."""

    result: Any
    fault: Fault | None


class _Answer(msgspec.Struct, gc=False):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: Any = None
    message: Any = None


_NONE = _Answer()
_ONE = msgspec.json.Decoder(_Answer)
_MANY = msgspec.json.Decoder(list[_Answer])


class Reader:
    """Reads answers into ``shapes``."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._any = msgspec.json.Decoder().decode

    def replies(
        self, calls: Sequence[Call], ids: list[int], raw: bytes, status: int, after: float | None
    ) -> list[Reply]:
        """A reply for each of ``calls``, sent with ``ids``; ``status`` is HTTP's, ``after``
        seconds of its Retry-After."""
        try:
            if raw.lstrip()[:1] == b"[":
                by_id = {a.id: a for a in _MANY.decode(raw)}
                return [
                    self._reply(by_id.get(i, _NONE), method, status, after)
                    for i, (method, _) in zip(ids, calls, strict=True)
                ]
            answer = _ONE.decode(raw)
        except msgspec.DecodeError:
            text = raw[:200].decode("utf-8", "replace")
            fault = classify(None, text, method=calls[0][0], status=status, after=after)
            if status == 200:
                fault = Fault(Kind.TRANSIENT, None, f"the answer is no JSON-RPC: {text!r}")
            return [Reply(None, fault)] * len(calls)
        first = self._reply(answer, calls[0][0], status, after)
        if len(calls) == 1:
            return [first]
        # One error for the whole batch.
        fault = first.fault
        if fault is None or fault.kind is Kind.INVALID:
            text = fault.message if fault else "the node answers a batch with one result"
            fault = Fault(Kind.BATCH, fault and fault.code, text)
        return [Reply(None, fault)] * len(calls)

    def _reply(self, answer: _Answer, method: str, status: int, after: float | None) -> Reply:
        error = answer.error
        if error is None and memoryview(answer.result).nbytes:
            return self._result(answer.result, method)
        if isinstance(error, dict):
            code = error.get("code")
            fault = classify(
                code if isinstance(code, int) else None,
                str(error.get("message", "")),
                error.get("data"),
                method=method,
                status=status,
                after=after,
            )
            return Reply(None, fault)
        text = error if isinstance(error, str) else answer.message
        if isinstance(text, str):
            return Reply(None, classify(None, text, method=method, status=status, after=after))
        if status == 200:
            return Reply(None, Fault(Kind.TRANSIENT, None, "the node left a call unanswered"))
        return Reply(None, classify(None, "", method=method, status=status, after=after))

    def _result(self, result: msgspec.Raw, method: str) -> Reply:
        try:
            return Reply(self._shapes.get(method, self._any)(result), None)
        except msgspec.DecodeError as error:
            text = f"its result doesn't have the form that is documented ({error})"
            return Reply(None, Fault(Kind.TRANSIENT, None, text))

"""The two kinds of error: the world's, which pass, and facts, which don't."""


class ChainfoldError(Exception):
    """One line that says where it happened and what to do next."""


class Retryable(ChainfoldError):
    """The world: a timeout, a rate limit, a node that lags. The same call may succeed later.

    ``after`` is the wait in seconds that the other side asked for (``Retry-After``), if it did.
    """

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Fatal(ChainfoldError):
    """A fact: a wrong chain id, bytes that don't match the interface. Repeating can't help."""

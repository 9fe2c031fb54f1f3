"""A node's URL as it may be printed: providers put their keys into paths and queries."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_SECRET = re.compile(r"(?=.*\d)[A-Za-z0-9_\-]{16,}|[A-Za-z0-9_\-]{24,}")


def redact(url: str) -> str:
    """``url`` without user, password, query values and key-like path segments."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    labels = [
        _SECRET.sub("…", label) if _SECRET.fullmatch(label) else label for label in host.split(".")
    ]
    netloc = ".".join(labels) + (f":{parts.port}" if parts.port else "")
    if ":" in host:
        netloc = f"[{host}]" + (f":{parts.port}" if parts.port else "")
    path = "/".join("…" if _SECRET.fullmatch(s) else s for s in parts.path.split("/"))
    query = "?" + "&".join(f"{q.split('=')[0]}=…" for q in parts.query.split("&"))
    return f"{parts.scheme}://{netloc}{path if path != '/' else ''}{query if parts.query else ''}"


def is_local(url: str) -> bool:
    """Whether the node is on this machine, where compressing costs more than it saves."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")

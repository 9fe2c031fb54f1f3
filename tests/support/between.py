"""What may stand between the command and a node: another genesis hash, or a line that goes dead."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Between:
    """``answers``: results by method, in place of the node's. ``most``: of the transactions that
    are sent, those that get through; ``dead`` is set when one more was held back."""

    node: str
    answers: dict[str, Any] = field(default_factory=dict)
    most: int | None = None
    url: str = ""
    sent: int = 0
    dead: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, call: dict[str, Any]) -> Any:
        method = call["method"]
        if method in self.answers:
            return {"jsonrpc": "2.0", "id": call["id"], "result": self.answers[method]}
        with self.lock:
            held = method == "sendTransaction" and self.most is not None and self.sent >= self.most
            self.sent += method == "sendTransaction" and not held
        if held:
            self.dead.set()
            self.over.wait()
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32603, "message": ""}}
        request = urllib.request.Request(
            self.node, json.dumps(call).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


@contextmanager
def between(node: str, **settings: Any) -> Iterator[Between]:
    it = Between(node, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = [it.answer(c) for c in body] if isinstance(body, list) else it.answer(body)
            raw = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            # the command may have been killed
            with suppress(ConnectionError):
                self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """The test tells what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    it.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield it
    finally:
        it.over.set()
        server.shutdown()
        server.server_close()
        thread.join()

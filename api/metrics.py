"""Prometheus: requests, streams, database connections, and where each chain is."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.rest.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One app's registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of_request = ["route", "method"]
        self.requests = Counter(
            "chainfold_api_requests",
            "Requests answered.",
            [*of_request, "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "chainfold_api_request_seconds",
            "Time until an answer's first byte.",
            of_request,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.streams = Gauge(
            "chainfold_api_streams", "Streams of changes that are open.", registry=self.registry
        )
        self.feed = Gauge(
            "chainfold_api_feed_cursor", "Newest change told.", registry=self.registry
        )
        self.connections = Gauge(
            "chainfold_api_database_connections",
            "Connections of the pool.",
            ["state"],
            registry=self.registry,
        )
        self.height = Gauge(
            "chainfold_chain_height",
            "Block numbers or slots: indexed, finalized, latest.",
            ["chain", "of"],
            registry=self.registry,
        )
        self.age = Gauge(
            "chainfold_chain_head_age_seconds",
            "Time since the indexer wrote the head.",
            ["chain"],
            registry=self.registry,
        )
        self.complete = Gauge(
            "chainfold_source_complete",
            "1 where no height below the head is missing.",
            ["chain", "program", "address"],
            registry=self.registry,
        )

    def show(self, status: Status) -> None:
        """Sets the gauges of the chains."""
        for chain, head in status.chains.items():
            for of, value in (
                ("indexed", head.height),
                ("finalized", head.finalized),
                ("latest", head.latest),
            ):
                if value is not None:
                    self.height.labels(chain, of).set(value)
            if head.age is not None:
                self.age.labels(chain).set(head.age)
        for source in status.sources:
            labels = (source.chain, source.program, source.address)
            self.complete.labels(*labels).set(source.complete)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Measured:
    """Counts and times every request, by the route's template and not by its path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.requests.labels(route, method, message["status"]).inc()
                self._metrics.seconds.labels(route, method).observe(time.perf_counter() - started)
            await send(message)

        await self.app(scope, receive, told)


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

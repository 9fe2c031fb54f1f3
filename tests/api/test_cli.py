"""`chainfold api` as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
from apiledger import MARKET, TOML, Ledger, opened


def start(folder: Path, url: str, *options: str) -> subprocess.Popen[str]:
    (folder / "chainfold.toml").write_text(TOML)
    environment = os.environ | {"DATABASE_URL": url}
    return subprocess.Popen(
        [Path(sys.executable).parent / "chainfold", "api", *options],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(process: subprocess.Popen[str]) -> str:
    _, text = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert len(text.splitlines()) == 1, text
    assert text.startswith("chainfold: ")
    return text


def test_serves_until_told_to_stop(ledger: Ledger, tmp_path: Path) -> None:
    ledger.write("anvil", [opened(MARKET)])
    process = start(tmp_path, ledger.url, "--port", "0")
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        url = said.split()[3]
        assert url.startswith("http://127.0.0.1:"), said
        with httpx.Client(base_url=url, timeout=30) as client:
            assert client.get("/readyz").json() == {"status": "ok", "reasons": []}
            assert client.get("/v1/markets").json()["data"][0]["market"] == MARKET
            with client.stream("GET", "/v1/changes") as stream:
                # an open stream doesn't hold it up
                text = stream.iter_text()
                assert next(text) == "retry: 1000\n\n"
                process.send_signal(signal.SIGTERM)
                assert "".join(text) == ""
        _, rest = process.communicate(timeout=20)
        assert (process.returncode, rest) in ((0, ""), (-signal.SIGTERM, ""))
    finally:
        process.kill()
        process.wait()


def test_port_in_use(ledger: Ledger, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        text = refused(start(tmp_path, ledger.url, "--port", port))
    assert "Address already in use" in text
    assert "--port" in text


def test_database_that_is_away_or_empty(tmp_path: Path, postgres_url: str) -> None:
    away = "postgresql://postgres@127.0.0.1:1/x"
    assert "can't reach the database" in refused(start(tmp_path, away, "--port", "0"))
    assert "`chainfold index`" in refused(start(tmp_path, postgres_url, "--port", "0"))


def test_tables_that_were_made_from_another_declaration(ledger: Ledger, tmp_path: Path) -> None:
    change = "UPDATE chainfold.declaration SET fingerprint = 'x' WHERE name = 'markets'"
    with psycopg.connect(ledger.url) as connection:
        connection.execute(change)
    text = refused(start(tmp_path, ledger.url, "--port", "0"))
    assert "fold markets changed since the tables were made: run `chainfold migrate`" in text


def test_misspelt_key(tmp_path: Path, postgres_url: str) -> None:
    process = start(tmp_path, postgres_url, "--config", "nothing.toml")
    assert "no configuration" in refused(process)

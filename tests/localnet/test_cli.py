"""`chainfold localnet` as a process: its ready line, its end, its errors."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from localnet import ports
from localnet.cli import localnet

CHAINFOLD = Path(sys.executable).parent / "chainfold"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ready_traffic_and_a_clean_end(tmp_path: Path, sign: signal.Signals) -> None:
    base, config = ports.free(3), tmp_path / "mine.toml"
    command = [CHAINFOLD, "localnet", "--base-port", base, "--home", tmp_path, "--traffic", "10/s"]
    command += ["--seconds", "1", "--config-out", config, "--block-time", "0.5"]
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        ended = json.loads(process.stdout.readline())
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sign)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert ready["event"] == "ready"
    assert ready["chains"]["anvil"]["rpc"] == f"http://127.0.0.1:{base}"
    assert ready["chains"]["solana"]["ws"] == f"ws://127.0.0.1:{base + 2}"
    assert ready["config"] == str(config)
    assert f"http://127.0.0.1:{base + 1}" in config.read_text()
    assert ended["event"] == "traffic ended"
    # the exchange is played on the one, records on the other
    assert min(ended["anvil sent"], ended["solana sent"]) > 0
    assert (process.returncode, errors) == (0, "")
    assert len(children) >= 2
    assert not any(child.is_running() for child in children)


def test_killed_outright_leaves_no_node(tmp_path: Path) -> None:
    base = ports.free(3)
    command = [CHAINFOLD, "localnet", "--base-port", base, "--home", tmp_path]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["event"] == "ready"
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.communicate()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert children
    assert not alive


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [CHAINFOLD, "localnet", "--anvil-port", port, "--home", tmp_path]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"chainfold: anvil: port {port} is in use; stop what listens there or choose another: "
        "--anvil-port\n"
    )


@pytest.mark.parametrize("rate", ["fast", "-1/s", "20/h", "501/s", "/s"])
def test_no_rate(rate: str) -> None:
    done = CliRunner().invoke(localnet, [f"--traffic={rate}"])
    assert done.exit_code == 2
    assert f"'{rate}' is no rate: write 20/s, up to 500/s; 0 for no traffic" in done.output

#!/usr/bin/env python3
"""Builds the Solana programs: build.py [--out DIR] [--source DIR] [CRATE…]

With Solana's platform tools where `cargo build-sbf` is present. Otherwise with Debian's rustc and
tools/sbf-ld (apt-get install rustc-web cargo-web libstd-rust-web-dev-bpf llvm-22); such builds
are for the local chain. With neither, one line says so and the committed artifacts/ stay.

Beside each NAME.so it writes the record of the build, NAME.build.json: {"sha256", "tool",
"constants"}, the last being the addresses that were built in, by the variables that set them.
`chainfold deploy` takes nothing without one, and to other than local chains only what
`cargo build-sbf` made. It guards against mistakes; whoever can write the file can write the record.

Exit code: 0 built, 3 no toolchain, 1 failed. artifacts/ are the second kind, so that everybody
gets the same bytes.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = ("bets", "feeds", "contracts", "projects", "payouts", "registry")
RUSTC = "/usr/bin/rustc"  # Debian's: the only one with a prebuilt core for the target
TARGET = "bpfel-unknown-none"
NO_TOOLCHAIN = 3
PLATFORM_TOOLS, LINKER = "cargo build-sbf", "sbf-ld"
# an address that the environment may replace
CONSTANT = re.compile(r'program_id\(\s*"(\w+)",\s*option_env!\("(CHAINFOLD_\w+)"\)')
MISSING = (
    "solana programs: no toolchain (cargo build-sbf, or apt-get install rustc-web cargo-web "
    "libstd-rust-web-dev-bpf llvm-22); the committed builds in programs/solana/artifacts are used"
)


def platform_tools() -> str | None:
    """What `cargo build-sbf` says of itself, None where it isn't."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return None
    done = subprocess.run([cargo, "build-sbf", "--version"], capture_output=True, text=True)
    return ", ".join(done.stdout.split("\n")).strip(", ") if done.returncode == 0 else None


def has_platform_tools() -> bool:
    return platform_tools() is not None


def has_linker() -> bool:
    """Debian's rustc with the BPF core library, LLVM's tools, and a cargo."""
    tools = all(shutil.which(tool + "-22") for tool in ("llvm-link", "opt", "llc"))
    core = Path(f"/usr/lib/rustlib/{TARGET}/lib").exists()
    return tools and core and Path(RUSTC).exists() and shutil.which("cargo") is not None


def build_with_linker(crate: str, source: Path, out: Path, environment: dict[str, str]) -> None:
    """Builds `crate` of the workspace `source` into `out`/CRATE.so."""
    settings = {
        "RUSTC": RUSTC,
        "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER": str(source / "tools" / "sbf-ld"),
    }
    subprocess.run(["cargo", "fetch", "--quiet", "--locked"], cwd=source, check=True)
    sources = Path(environment.get("CARGO_HOME", Path.home() / ".cargo")) / "registry" / "src"
    # panics name the source file: without the part that differs between machines
    remap = [f"--remap-path-prefix={folder}=crates" for folder in sorted(sources.iterdir())]
    # cargo links again when the linker has changed, which sbf-ld itself pays no heed to
    files = sorted(path for path in (source / "tools").iterdir() if path.is_file())
    tools = b"".join(path.read_bytes() for path in files)
    flags = ["-C target-cpu=v2", f"-C link-arg=--tools={hashlib.sha256(tools).hexdigest()[:16]}"]
    settings["CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS"] = " ".join([*flags, *remap])
    target = Path(environment.get("CARGO_TARGET_DIR", source / "target"))
    command = ["cargo", "build", "--quiet", "--locked", "--release", "--target", TARGET]
    subprocess.run(
        [*command, "--package", crate], cwd=source, env=environment | settings, check=True
    )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target / TARGET / "release" / f"lib{crate}.so", out / f"{crate}.so")


def build_with_platform_tools(crate: str, source: Path, out: Path) -> None:
    command = ["cargo", "build-sbf", "--manifest-path", str(source / crate / "Cargo.toml")]
    subprocess.run([*command, "--sbf-out-dir", str(out)], check=True)


def constants(crate: str, source: Path, environment: dict[str, str]) -> dict[str, str]:
    """The addresses that `crate` of the workspace `source` has built in, by their variables: its
    own and those of the workspace's crates that it uses."""
    text = (source / crate / "src" / "lib.rs").read_text()
    found = {name: environment.get(name, default) for default, name in CONSTANT.findall(text)}
    used = tomllib.loads((source / crate / "Cargo.toml").read_text()).get("dependencies", {})
    for other in used:
        if (source / other).is_dir():
            found |= constants(other, source, environment)
    return dict(sorted(found.items()))


def write_record(crate: str, source: Path, out: Path, tool: str) -> None:
    """Says of `out`/CRATE.so what made it."""
    record = {
        "sha256": hashlib.sha256((out / f"{crate}.so").read_bytes()).hexdigest(),
        "tool": tool,
        "constants": constants(crate, source, dict(os.environ)),
    }
    (out / f"{crate}.build.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crates", nargs="*", default=PROGRAMS, metavar="CRATE")
    parser.add_argument("--out", type=Path, help="default: artifacts, or target/deploy")
    parser.add_argument("--source", type=Path, default=HERE, help="the workspace to build")
    options = parser.parse_args()
    version = platform_tools()
    for crate in options.crates:
        if version is not None:
            out = options.out or HERE / "target/deploy"
            build_with_platform_tools(crate, options.source, out)
            write_record(crate, options.source, out, f"{PLATFORM_TOOLS} ({version})")
        elif has_linker():
            out = options.out or HERE / "artifacts"
            build_with_linker(crate, options.source, out, dict(os.environ))
            write_record(crate, options.source, out, LINKER)
        else:
            print(MISSING)
            return NO_TOOLCHAIN
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)

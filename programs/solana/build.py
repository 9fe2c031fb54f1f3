#!/usr/bin/env python3
"""Builds the Solana programs: build.py [--out DIR] [--source DIR] [CRATE…]

With Solana's platform tools where `cargo build-sbf` is present. Otherwise with Debian's rustc and
tools/sbf-ld (apt-get install rustc-web cargo-web libstd-rust-web-dev-bpf llvm-22); such builds
are for the local chain. With neither, one line says so and the committed artifacts/ stay.

Exit code: 0 built, 3 no toolchain, 1 failed. artifacts/ are the second kind, so that everybody
gets the same bytes.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = ("bets", "feeds", "contracts", "projects", "payouts", "registry")
RUSTC = "/usr/bin/rustc"  # Debian's: the only one with a prebuilt core for the target
TARGET = "bpfel-unknown-none"
NO_TOOLCHAIN = 3
MISSING = (
    "solana programs: no toolchain (cargo build-sbf, or apt-get install rustc-web cargo-web "
    "libstd-rust-web-dev-bpf llvm-22); the committed builds in programs/solana/artifacts are used"
)


def has_platform_tools() -> bool:
    cargo = shutil.which("cargo")
    command = [cargo or "", "build-sbf", "--version"]
    return bool(cargo) and subprocess.run(command, capture_output=True).returncode == 0


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crates", nargs="*", default=PROGRAMS, metavar="CRATE")
    parser.add_argument("--out", type=Path, help="default: artifacts, or target/deploy")
    parser.add_argument("--source", type=Path, default=HERE, help="the workspace to build")
    options = parser.parse_args()
    for crate in options.crates:
        if has_platform_tools():
            build_with_platform_tools(crate, options.source, options.out or HERE / "target/deploy")
        elif has_linker():
            out = options.out or HERE / "artifacts"
            build_with_linker(crate, options.source, out, dict(os.environ))
        else:
            print(MISSING)
            return NO_TOOLCHAIN
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)

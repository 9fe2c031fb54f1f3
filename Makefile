# chainfold. A machine needs Python 3.11+, Node 20+ and make; every target sets up the rest itself,
# once: a second `make` starts at once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
PY := .venv/bin/python
STAMPS := .chainfold/make
TESTS ?=
WORKERS ?= 2
SBF_PACKAGES := rustc-web cargo-web libstd-rust-web-dev-bpf llvm-22

.PHONY: help setup demo test test-slow check format programs mutants match bench sim soak clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	  awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'
	@echo "  make example-NAME openzeppelin, spl_token: somebody else's program, indexed"
	@echo "  make bench-NAME   one benchmark, e.g. bench-index-evm; its last line is JSON"

setup: .venv/.ready node_modules/.ready $(STAMPS)/sbf ## what the other targets need

demo: .venv/.ready node_modules/.ready ## both chains, traffic, indexer, API and Dagster; ONCE=1: 60 s, verified
	@exec $(PY) -m localnet.demo $(if $(ONCE),--once) $(ARGS)

test: setup ## the whole test suite (TESTS=tests/localnet for a part)
	@$(PY) -m pytest -m "not slow" -n $(WORKERS) $(TESTS) $(ARGS)

test-slow: setup ## what `make test` leaves out for its length
	@$(PY) -m pytest -m slow $(TESTS) $(ARGS)

check: setup ## formats, lint, types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m pyright --warnings
	@if cargo fmt --version >/dev/null 2>&1; \
	  then cd programs/solana && cargo fmt --all --check; \
	  else echo "check: no rustfmt here; Rust's format was not checked"; fi
	@if cargo clippy --version >/dev/null 2>&1; \
	  then cd programs/solana && cargo clippy --quiet --locked --all-targets -- -D warnings; \
	  else echo "check: no clippy here; Rust's lints were not checked"; fi
	@cd programs/evm && FOUNDRY_DISABLE_NIGHTLY_WARNING=1 tools/forge fmt --check

format: setup ## writes the formats that check wants
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .
	@if cargo fmt --version >/dev/null 2>&1; then cd programs/solana && cargo fmt --all; fi
	@cd programs/evm && FOUNDRY_DISABLE_NIGHTLY_WARNING=1 tools/forge fmt

programs: setup ## builds the programs and their interfaces, and runs all of their tests
	@$(PY) programs/evm/tools/build.py
	@$(PY) programs/solana/tools/idl.py $(basename $(notdir $(wildcard programs/solana/artifacts/*.so)))
	@code=0; $(PY) programs/solana/build.py || code=$$?; [ $$code = 0 ] || [ $$code = 3 ]
	@$(PY) -m pytest -m "not slow" -n $(WORKERS) tests/programs $(ARGS)

mutants: setup ## removes each check of the programs in turn and wants a red test
	@$(PY) programs/evm/tools/mutants.py
	@$(PY) programs/solana/mutants.py

SEEDS ?= 10
sim: setup ## plays SEEDS=10 seeded histories with faults and compares every table
	@exec .venv/bin/chainfold-sim --seeds $(SEEDS) --workers $(WORKERS) $(ARGS)

soak: setup ## plays seed after seed until Ctrl-C or one fails
	@exec .venv/bin/chainfold-sim --soak --workers $(WORKERS) $(ARGS)

match: setup ## the exchange against the reference matcher over 100,000 random orders
	@$(PY) -m pytest -m slow tests/programs/evm/test_exchange_matching.py $(ARGS)

bench: setup ## all benchmarks, then one table of their figures
	@$(PY) benchmarks

bench-%: setup
	@file=benchmarks/$(subst -,_,$*).py; \
	  [ -f $$file ] || { echo "no $$file; there are: $$(ls benchmarks)" >&2; exit 2; }; \
	  exec $(PY) $$file $(ARGS)

example-%: setup
	@[ -f examples/$*/run.py ] || { echo "no examples/$*; there are: $$(ls examples)" >&2; exit 2; }
	@exec $(PY) -m examples.$*.run

clean: ## forgets the local chains, the embedded database and build output
	@rm -rf .chainfold programs/evm/out programs/evm/cache programs/solana/target

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
	  f"chainfold needs Python 3.11 or later, this is {sys.version.split()[0]}: make PYTHON=…")'
	@[ -x $(PY) ] || { echo "setup: .venv" >&2; $(PYTHON) -m venv .venv; }
	@uv=$$(command -v uv || echo .venv/bin/uv); \
	  [ -x "$$uv" ] || $(PY) -m pip install --quiet --disable-pip-version-check \
	    "$$(grep -oE '^uv==[^ ]+' requirements.lock)" >&2; \
	  echo "setup: Python packages" >&2; \
	  "$$uv" pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements.lock; \
	  "$$uv" pip install --quiet --python $(PY) --no-deps --editable .
	@touch $@

# Not `npm ci`: newer ones refuse a lock file that lacks the optional packages of other platforms.
node_modules/.ready: package-lock.json
	@node -e 'process.versions.node.split(".")[0] >= 20 || process.exit(1)' 2>/dev/null || { \
	  echo "chainfold needs Node 20 or later, this is $$(node --version 2>/dev/null || echo none)" >&2; \
	  exit 1; }
	@echo "setup: npm packages" >&2
	@npm install --no-save --silent --no-audit --no-fund >&2
	@touch $@

# What builds Solana programs where Solana's own tools are not installed. Never a reason to stop:
# the committed builds do for all but changing them.
$(STAMPS)/sbf:
	@mkdir -p $(@D)
	@if cargo build-sbf --version >/dev/null 2>&1 || dpkg -s $(SBF_PACKAGES) >/dev/null 2>&1; then :; \
	elif command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then \
	  echo "setup: apt-get install $(SBF_PACKAGES)" >&2; \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  { $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $(SBF_PACKAGES); } >$@.log 2>&1 || \
	    echo "setup: that failed ($@.log): the committed builds of the Solana programs are used" >&2; \
	else echo "setup: no toolchain for Solana programs here: the committed builds are used" >&2; fi
	@touch $@

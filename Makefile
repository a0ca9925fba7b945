# `make setup` builds .venv from the hashed lock files; every other target runs it first when needed.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 0
KILLS ?= 200
PASSAGES ?= 3

.PHONY: setup fmt check test slow demo crash bench lock

setup: $(VENV)/.ready
$(VENV)/.ready: requirements.lock requirements-dev.lock
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 make …)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

fmt: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only -q . || true

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

test: setup
	$(BIN)/pytest -m "not slow"

slow: setup
	$(BIN)/pytest -m slow

demo: setup
	$(BIN)/precomplaint demo --seconds $(DEMO_SECONDS)

crash: setup
	$(BIN)/python -m tests.crash --kills $(KILLS)
	$(BIN)/python -m tests.crash scenarios --passages $(PASSAGES)

bench: setup
	$(BIN)/python -m benchmarks

# Writes both lock files anew: hashed, and without an index address.
lock:
	$(BIN)/pip install -q pip-tools
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --extra sim --extra sparkplug --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --annotation-style line -o requirements.lock pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --extra sim --extra sparkplug --extra dev --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --annotation-style line -o requirements-dev.lock pyproject.toml

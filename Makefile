# `make run` and `make test` need Python >= 3.11 and a C compiler; everything else comes with pip into $(VENV).
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= 1000000
MINUTES ?= 30
SEED ?= 0
CONFIG ?= daemon/sample/sample.yaml

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# A stamp is newer than pyproject.toml once its extras are installed, so a second run installs nothing.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run test check format bench methods compression bench-memory netem faults soak fuzz sample clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Watchword needs Python 3.11 or newer: make PY=python3.11")'
	$(PY) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV): once, some minutes and about 6 GB"
	$(BIN)/python -m pip install --quiet --editable '.[lite,embedded]'
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) for development: once, some minutes and about 6 GB"
	$(BIN)/python -m pip install --quiet --editable '.[lite,embedded,clip,dev,fuzz]'
	@touch $(RUN_STAMP) $@

venv: $(DEV_STAMP) ## install everything for development into $(VENV)

run: $(RUN_STAMP) ## watch the bundled sample once and print its events (CONFIG=… for your own)
	$(BIN)/watchword run $(CONFIG) --once

test: $(DEV_STAMP) ## run the tests
	$(BIN)/python -m pytest

check: $(DEV_STAMP) ## lint, format, types, import rules, tests: what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

fuzz: $(DEV_STAMP) ## fuzz what is read of events and configurations (RUNS=1000000 inputs each)
	@for name in events config; do mkdir -p .fuzz/$$name && $(BIN)/python tests/fuzz/fuzz_$$name.py -runs=$(RUNS) -max_len=65536 \
	  -artifact_prefix=.fuzz/ .fuzz/$$name tests/fuzz/corpus/$$name || exit 1; done

format: $(DEV_STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## measure decoding, tagging, publishing, aligning, hiding faces, overload, uploads, restarts (tests/benchmarks)
	@for name in decode throughput publishing aligner_hop faces overload uploads restart; do echo "== $$name"; PYTHONPATH=tests/support $(BIN)/python tests/benchmarks/$$name.py || exit 1; done

methods: $(DEV_STAMP) ## train every method briefly, compare them in docs/methods.md (twenty minutes)
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python tests/benchmarks/methods.py

compression: $(DEV_STAMP) ## make aligner and models smaller, compare them in docs/compression.md (some minutes)
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python tests/benchmarks/compression.py

bench-memory: $(DEV_STAMP) ## measure whether memory stays flat (MINUTES=30)
	PYTHONPATH=tests/support $(BIN)/python tests/benchmarks/memory.py --minutes $(MINUTES)

netem: $(DEV_STAMP) ## watch cameras behind bad networks, as root, in real time (six minutes; docs/faults.md)
	$(BIN)/python tests/benchmarks/bad_networks.py

faults: $(DEV_STAMP) ## outages of a minute, in real time: how soon everything goes on (some minutes; docs/faults.md)
	PYTHONPATH=tests/support $(BIN)/python tests/benchmarks/redis_outages.py
	PYTHONPATH=tests/support $(BIN)/python tests/benchmarks/actor_faults.py

soak: $(DEV_STAMP) ## break cameras, Redis and processes for MINUTES=30, and tell whether anything was lost (SEED=0)
	PYTHONPATH=tests/support $(BIN)/python tests/soak/soak.py --minutes $(MINUTES) --seed $(SEED)

sample: $(DEV_STAMP) ## build the bundled sample anew (needs espeak-ng)
	$(BIN)/python tests/sample/build_sample.py

clean: ## remove the venv, caches and state
	rm -rf $(VENV) .watchword build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz

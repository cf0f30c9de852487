# `make run` and `make test` need Python >= 3.11 and a C compiler; everything else comes with pip into $(VENV).
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadgroup --no-loadscope-reorder --timeout=$(TIMEOUT)
RUNS ?= 1000000
MINUTES ?= 30
SEED ?= 0
# On two cores: two workers run tests that wait, for time and for Ray; the others have the cores meanwhile.
WORKERS ?= 4
TIMEOUT ?= 10
CONFIG ?= daemon/sample/sample.yaml

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Tests start hundreds of programs: without bytecode files each one compiles the product anew.
unexport PYTHONDONTWRITEBYTECODE

# A stamp is newer than pyproject.toml once its extras are installed, so a second run installs nothing.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run test lint ruff ruff-format mypy lint-imports tsc check lint-beside check-long format bench methods compression bench-memory netem faults soak fuzz sample errors clean

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

test: $(DEV_STAMP) ## run the tests, in WORKERS=4 processes, with a limit of TIMEOUT=10 seconds a test
	$(PYTEST)

lint: ruff ruff-format mypy lint-imports tsc ## lint, format, types, import rules

ruff: $(DEV_STAMP)
	$(BIN)/ruff check .

ruff-format: $(DEV_STAMP)
	$(BIN)/ruff format --check .

mypy: $(DEV_STAMP)
	$(BIN)/mypy

lint-imports: $(DEV_STAMP)
	$(BIN)/lint-imports

# The page's modules are plain JavaScript; their types are in comments. Debian: apt install node-typescript.
tsc:
	@if command -v tsc >/dev/null; then tsc --project tsconfig.json; else echo "tsc is not installed: the types of the page are not checked"; fi

# The linters run beside the tests, one after the other; what they print comes in one piece, before pytest's summary.
check: $(DEV_STAMP) ## lint, format, types, import rules, tests: what CI runs (10 minutes on two cores)
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test lint-beside

lint-beside: $(DEV_STAMP)
	@output=$$(nice $(MAKE) --no-print-directory --keep-going lint 2>&1); status=$$?; echo "$$output"; exit $$status

check-long: $(DEV_STAMP) ## what `make check` leaves out: soak, faults, sweeps, fuzzing (CONTRIBUTING.md)
	$(PYTEST) -m long

fuzz: $(DEV_STAMP) ## fuzz the readers of events and configurations (RUNS=1000000 inputs each)
	@for name in events config; do mkdir -p .fuzz/$$name && $(BIN)/python tests/fuzz/fuzz_$$name.py -runs=$(RUNS) -max_len=65536 \
	  -artifact_prefix=.fuzz/ .fuzz/$$name tests/fuzz/corpus/$$name || exit 1; done

format: $(DEV_STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## measure decoding, tagging, publishing, aligning, hiding faces, overload, uploads, restarts, the page (tests/benchmarks)
	@for name in speed.decode speed.throughput speed.publishing speed.aligner_hop seeing.faces faults.overload speed.uploads faults.restart speed.page; do echo "== $$name"; $(BIN)/python -m tests.benchmarks.$$name || exit 1; done

methods: $(DEV_STAMP) ## train every method briefly, write the tables of docs/methods.md (twenty minutes)
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m tests.benchmarks.learning.methods

compression: $(DEV_STAMP) ## make aligner and models smaller, write the tables of docs/compression.md (some minutes)
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m tests.benchmarks.learning.compression

bench-memory: $(DEV_STAMP) ## measure whether memory stays flat (MINUTES=30)
	$(BIN)/python -m tests.benchmarks.faults.memory --minutes $(MINUTES)

netem: $(DEV_STAMP) ## measure cameras behind bad networks, as root, in real time (six minutes; docs/faults.md)
	$(BIN)/python -m tests.benchmarks.faults.bad_networks

faults: $(DEV_STAMP) ## measure recovery after outages of a minute, in real time (some minutes; docs/faults.md)
	$(BIN)/python -m tests.benchmarks.faults.redis_outages
	$(BIN)/python -m tests.benchmarks.faults.actor_faults

soak: $(DEV_STAMP) ## break cameras, Redis and processes for MINUTES=30, report lost and duplicate events (SEED=0)
	$(BIN)/python -m tests.soak.soak --minutes $(MINUTES) --seed $(SEED)

sample: $(DEV_STAMP) ## build the bundled sample again (needs espeak-ng)
	$(BIN)/python tests/sample/build_sample.py

errors: $(DEV_STAMP) ## write the table of error codes, docs/errors.md, from the error classes
	$(BIN)/python -m tests.support.documents.error_table > docs/errors.md.new && mv docs/errors.md.new docs/errors.md

clean: ## remove the venv, caches and state
	rm -rf $(VENV) .watchword build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz

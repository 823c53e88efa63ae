# Every command of a developer and of CI. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
# The editable install must not reach for a build backend of its own: bootstrap.lock brings one.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
# Some environments forbid Python to keep what it compiled; then every process of a demo or a test compiles it all again.
export PYTHONDONTWRITEBYTECODE :=
SOURCES := datamill_infra datamill_pipelines tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help install dev demo charts test test-quick test-cluster test-cluster-faults test-faults test-long test-browser check format bench lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/.installed ## Create .venv with what users need
dev: .venv/.installed-dev ## ... and what developers need

.venv/bin/uv: bootstrap.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 13) else \
	  f"Data Mill needs Python 3.11 or 3.12, and {sys.executable} is {v[0]}.{v[1]}. Say: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { echo "Cannot create .venv. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock
	@touch $@

.venv/.installed: requirements.lock pyproject.toml .venv/bin/uv
	@echo "Installing the Python packages (first time: about a minute)"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

demo: install ## Set up the platform, run the pipelines, train and serve a model
	@$(BIN)/datamill demo

test: dev ## All tests that need no Kubernetes, no running user interface, no root and no long time
	$(BIN)/pytest -n 3 -m "not (long or browser or faults or control or cluster)" --durations 12

test-long: dev ## What takes long: kills and hangs of real servers, and what the fault bench's checkers must catch
	$(BIN)/pytest -n 3 -m "(long or control) and not (browser or cluster)" --durations 12

test-quick: dev ## The tests of the model, the probes and the pipelines' own code
	$(BIN)/pytest -n 2 tests/infra/model tests/infra/capabilities tests/pipelines/training tests/pipelines/serving \
	  tests/pipelines/stream tests/pipelines/ingestion tests/pipelines/batch tests/pipelines/*.py

test-faults: dev ## The fault bench with its large counts (under 40 min)
	$(BIN)/pytest -n 2 tests/faults -m "faults or control" --timeout 2400

test-cluster: dev ## A real Kubernetes is built, the demo and its pipelines run there, all is removed (needs root and Go)
	$(BIN)/pytest tests/cluster -m cluster --durations 25

test-cluster-faults: dev ## Kills, edits and looks on the real Kubernetes with their large counts (needs root and Go)
	DATAMILL_LARGE=1 $(BIN)/pytest tests/cluster/test_releases.py -m cluster --timeout 5400

test-browser: dev ## What runs under `datamill ui`, and the Dagster UI in a headless Chromium (needs the chromium package)
	@command -v chromium >/dev/null || { echo "Chromium is missing. On Debian: apt-get install chromium"; exit 1; }
	$(BIN)/pytest -m browser --timeout 600

check: dev ## Linters, formatter, types, layers
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## Apply the formatter and the safe fixes
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

charts: dev ## Write values.yaml and values.schema.json of each chart from its values.schema.yaml
	$(BIN)/python -m datamill_infra.drivers.helm.schemas

bench: dev ## Side-by-side runs against peers; writes docs/benchmarks.md
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@$(BIN)/uv pip install --quiet --python .venv-peers/bin/python --require-hashes -r benchmarks/peers.lock
	$(BIN)/python -m benchmarks --peers .venv-peers/bin/python

COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"
lock: ## Resolve the dependencies again (hashes, no download addresses)
	$(COMPILE) bootstrap.in -o bootstrap.lock
	$(COMPILE) pyproject.toml -c constraints.in -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) benchmarks/peers.in -c requirements.lock -o benchmarks/peers.lock

clean: ## Stop what runs in this checkout and remove what it made
	@test ! -x $(BIN)/datamill || $(BIN)/datamill down --delete-data --yes || true
	rm -rf .datamill .venv .venv-peers

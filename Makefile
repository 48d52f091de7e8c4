# Two commands on a fresh machine: `make demo` and `make test`. Everything they need is made here.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
HEAVY  := $(VENV)/.heavy

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench dashboards dashboards-preview lock clean prometheus

help:
	@echo "make demo    the simulated clouds and the exporter, live, with SQLite"
	@echo "make test    the whole test suite"
	@echo "make check   formatting, lint and types"
	@echo "make bench   measurements, each beside a baseline in the same run"
	@echo "make dashboards-preview  pictures of the dashboards, from a day on the simulated clouds"
	@echo "make dashboards  dashboards and alert rules, written anew from grafana/builder"

$(READY): requirements/run.txt requirements/test.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The vendors' own SDK clients check the simulator; they are big, so they come apart from the rest.
$(HEAVY): $(READY) requirements/sdk.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sdk.txt
	@touch $@

demo: $(READY)
	$(BIN)/platform-events-exporter demo

# On Debian as root the tests may install Debian's Prometheus and Alertmanager; elsewhere those that need it say how to get it.
prometheus:
	@if ! { command -v prometheus && command -v prometheus-alertmanager; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager >/dev/null; \
	fi

test: $(HEAVY) prometheus
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m tests.bench

# RUNBOOKS is where your copy of docs/runbooks can be read; alerts link there.
RUNBOOKS ?= docs/runbooks
dashboards: $(READY)
	$(BIN)/python -m grafana.builder --runbooks "$(RUNBOOKS)"

dashboards-preview: $(READY) prometheus
	$(BIN)/python -m grafana.preview

# Locks with hashes and without index addresses; needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --group test -o requirements/test.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements/test.txt --group sdk -o requirements/sdk.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Two commands on a fresh machine: `make demo` and `make test`. Everything they need is made here.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.run
READY  := $(VENV)/.ready
# The tests start hundreds of processes, and each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
HEAVY  := $(VENV)/.heavy

.DEFAULT_GOAL := help
.PHONY: help demo test chaos fuzz mutations check format bench dashboards previews lock clean prometheus postgresql

help:
	@echo "make demo    the simulated clouds and the exporter, live, with SQLite; PORT=…"
	@echo "make test    the whole test suite; test-3.13 and test-3.14 with these Pythons, taken from Debian forky"
	@echo "make chaos   what the tests do at random, for longer: kills, failovers, timelines with faults, and an hour without any; KILLS=…, FAILOVERS=…, TIMELINES=…, HOURS=…"
	@echo "make fuzz    answers that no vendor should send, against a running exporter; FUZZ=… examples, about one a second"
	@echo "make interop the real systems around the exporter, built with Go; ALL=1 also those that take longest to build"
	@echo "make mutations  breaks guarded lines one by one in a copy, and sees the tests notice"
	@echo "make check   formatting, lint and types"
	@echo "make audit   floors and locks beside the advisories in requirements/advisories.toml"
	@echo "make bench   measurements, each beside a baseline in the same run"
	@echo "make previews  pictures of the dashboards, drawn by Grafana's own components, from a day on the simulated clouds"
	@echo "make screenshots  pictures of the exporter's pages in docs/screens"
	@echo "make schema  the JSON Schema of mapping files, written anew"
	@echo "make chart   values, schema, README and copies of the Helm chart, written anew"
	@echo "make image   the container image; BUILDER=podman, BASE=…, IMAGE=…"
	@echo "make sbom    its bill of materials in dist/"
	@echo "make docs    the documentation as a site, in site/"
	@echo "make dashboards  dashboards and alert rules, written anew from grafana/builder"

$(READY): requirements/run.txt requirements/test.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(RUN)

# The vendors' own SDK clients check the simulator, Helm and others the chart; they are big, so they come apart.
$(HEAVY): $(READY) requirements/sdk.txt requirements/chart.txt requirements/docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sdk.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/chart.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

# The demo needs what a user needs, and none of the tests' packages.
$(RUN): requirements/run.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

PORT ?= 10186
demo: $(RUN)
	$(BIN)/platform-events-exporter demo --port $(PORT)

# On Debian as root the tests may install Debian's Prometheus, Alertmanager and Jsonnet; elsewhere those that need it say how to get it.
prometheus:
	@if ! { command -v prometheus && command -v prometheus-alertmanager && command -v jsonnet; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager jsonnet >/dev/null; \
	fi

# Likewise PostgreSQL and pgbouncer; no test uses the server that Debian would start.
postgresql:
	@if ! { ls /usr/lib/postgresql/*/bin/initdb && command -v pgbouncer; } >/dev/null 2>&1 && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql pgbouncer >/dev/null; \
	fi

# Likewise the browser that looks at the pages.
chromium:
	@if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	fi

# Likewise what judges the systemd unit and makes certificates.
systemd:
	@if ! { command -v systemd-analyze && command -v openssl; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssl systemd >/dev/null; \
	fi

# Likewise what builds the image.
buildah:
	@if ! command -v buildah >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah >/dev/null; \
	fi

test: $(HEAVY) prometheus postgresql systemd chromium
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# The same with another Python, which on Debian as root comes beside the system's own, in a virtual environment of its own.
.pythons/%/.ready: tests/support/python.sh
	tests/support/python.sh $* .pythons/$*
	@touch $@

test-%: .pythons/%/.ready
	$(MAKE) test PYTHON=.pythons/$*/usr/bin/python$* VENV=.venv-$*

interop-%: .pythons/%/.ready
	$(MAKE) interop PYTHON=.pythons/$*/usr/bin/python$* VENV=.venv-$*

KILLS     ?= 50
TIMELINES ?= 100
HOURS     ?= 1
FAILOVERS ?= 50
chaos: $(READY) prometheus postgresql
	KILLS=$(KILLS) TIMELINES=$(TIMELINES) FAILOVERS=$(FAILOVERS) $(BIN)/python -m pytest --timeout=900 tests/laws/test_chaos.py tests/laws/test_law_one.py tests/laws/test_law_one_runs.py tests/laws/test_timeline.py tests/laws/test_renamed_targets.py tests/laws/test_replicas.py
	HOURS=$(HOURS) $(BIN)/python -m pytest --timeout=1800 tests/laws/test_healthy_hour.py

FUZZ ?= 1000
fuzz: $(READY)
	FUZZ=$(FUZZ) $(BIN)/python -m pytest --timeout=0 tests/laws/test_fuzz.py

# The OpenTelemetry Collector, Prometheus and others, at the versions that tests/interop pins; a missing one says how to get it.
.PHONY: interop
interop: $(HEAVY) systemd buildah chromium
	ALL=$(ALL) tests/interop/build.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile -m interop tests/interop $(if $(ALL),,--ignore=tests/interop/test_jaeger.py)

mutations: $(READY)
	$(BIN)/python -m tests.mutations

# No floor and no pin may be older than what mends a known advisory; the workflow advisories asks the database for new ones.
.PHONY: audit
audit: $(READY)
	$(BIN)/python -m pytest -n 0 tests/project/test_advisories.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) postgresql
	$(BIN)/python -m tests.bench

# Addresses that alerts link to: your copy of docs/runbooks, Grafana, the exporter's web port.
RUNBOOKS ?=
GRAFANA  ?=
EXPORTER ?=
dashboards: $(READY)
	$(BIN)/python -m grafana.builder --runbooks "$(RUNBOOKS)" --grafana "$(GRAFANA)" --exporter "$(EXPORTER)"
	$(BIN)/python -m tests.docs_pages

# Needs Node.js 20 and npm: page/package.json pins what Grafana publishes, and package-lock.json its hashes.
previews: $(READY) prometheus chromium
	$(BIN)/python -m grafana.preview

.PHONY: screenshots chromium
screenshots: $(READY) chromium
	$(BIN)/python -m tests.screenshots docs/screens

.PHONY: docs
docs: $(HEAVY)
	$(BIN)/python -m tests.docs_pages
	$(BIN)/zensical build --strict

.PHONY: schema chart image sbom systemd buildah
schema: $(READY)
	$(BIN)/platform-events-exporter schema mapping > mappings/mapping.schema.json

chart: $(READY)
	$(BIN)/python -m helm.generate

VERSION  = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BUILDER ?= docker
BASE    ?= python:3.13-slim-bookworm
IMAGE   ?= platform-events-exporter:$(VERSION)
image:
	$(BUILDER) build --file Containerfile --tag $(IMAGE) --build-arg BASE=$(BASE) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) .

sbom: $(HEAVY)
	@mkdir -p dist
	$(BIN)/python -m tests.sbom dist/sbom.cdx.json

# Locks with hashes and without index addresses; needs uv.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock:
	$(COMPILE) pyproject.toml --extra postgresql -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra postgresql --group test -o requirements/test.txt
	$(COMPILE) -c requirements/test.txt --group sdk -o requirements/sdk.txt
	$(COMPILE) -c requirements/test.txt --group build -o requirements/build.txt
	$(COMPILE) -c requirements/test.txt --group chart -o requirements/chart.txt
	$(COMPILE) -c requirements/test.txt --group docs -o requirements/docs.txt

clean:
	rm -rf $(VENV) .venv-* .pythons .pytest_cache .mypy_cache .ruff_cache .hypothesis

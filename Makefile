# Every target sets up what it needs by itself; a second call does nothing twice.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
# What Python compiles it keeps, whatever the environment says: see tools/warm.py.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
ENGINES := .tools/engines
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
COMPILE = $(UV) pip compile pyproject.toml --group dev --python-version 3.13 --universal --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --quiet
PORT ?= 8000
# They wait for processes, for the disk and for the browser half of their time.
CORES := $(shell nproc 2>/dev/null || echo 2)
TOGETHER := $(shell echo $$(($(CORES) * 2)))
BROWSERS := $(shell echo $$(($(CORES) * 3 / 2)))
MESSAGES := $(wildcard src/querencia/locale/*/LC_MESSAGES/*.po src/querencia/insight/locale/*/LC_MESSAGES/*.po)

.PHONY: help setup demo test test-slow test-browser test-engines check bench bench-identity accuracy screenshots messages lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

setup: $(READY) ## Leave a ready .venv/ with the querencia command

demo: $(READY) ## Serve the cockpit with real sample data (PORT=8000)
	@$(VENV)/bin/querencia demo --port $(PORT)

test: $(READY) ## Run the tests that need no service (DATABASE_URL=... runs them on PostgreSQL)
	@$(PYTHON) -m pytest -q -n auto --maxprocesses 8 --dist worksteal $(TESTS)

test-slow: $(READY) ## Run what starts, kills and races whole processes, too (TESTS=tests/measures: only those)
	@$(PYTHON) -m pytest -q -n $(TOGETHER) --dist worksteal -m "slow and not browser and not engines" $(TESTS)

test-browser: $(READY) ## Walk the pages in a real Chromium
	@$(PYTHON) -m pytest -q -n $(BROWSERS) --dist worksteal -m browser

test-engines: $(ENGINES)/.ready ## The same figures on Spark (needs Java 17) and on a warehouse's table
	@command -v java >/dev/null || { echo "Spark needs Java 17 or later (Debian: openjdk-17-jre-headless)."; exit 1; }
	@$(ENGINES)/bin/python -m pytest -q -m engines

check: $(READY) ## Style, types, the import map, translations, templates
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo
	@$(VENV)/bin/djlint src/querencia --lint --quiet
	@$(PYTHON) tools/messages.py check
	@$(VENV)/bin/querencia manage makemigrations --check --dry-run

bench: $(READY) ## Measure speed and memory (needs some minutes and disk)
	@$(PYTHON) -m benchmarks

bench-identity: $(READY) ## Precision and recall of duplicates on people who are known (QUERENCIA_SHARED_DATA)
	@$(PYTHON) -m benchmarks.identity

accuracy: $(READY) ## Try the forecasts on logs whose future is known (QUERENCIA_SHARED_DATA: more logs)
	@$(PYTHON) -m benchmarks.accuracy

screenshots: $(READY) ## Take docs/images anew from the running demo
	@$(PYTHON) tools/screenshots.py

messages: $(READY) ## Collect texts to translate into src/**/locale
	@$(PYTHON) tools/messages.py collect

lock: $(UV) ## Resolve requirements.lock and requirements-engines.lock anew, with hashes
	@$(COMPILE) --upgrade --output-file requirements.lock
	@$(COMPILE) --upgrade --extra spark --extra warehouse --constraints requirements.lock \
		--output-file requirements-engines.lock

clean: ## Remove what setup made
	@rm -rf $(VENV) .tools

.tools/uv/bin/uv:
	@echo "Fetching uv into .tools/"
	@mkdir -p .tools
	@python3 -m venv .tools/uv >/dev/null 2>&1 && .tools/uv/bin/python -m pip install --quiet uv 2>/dev/null \
		|| python3 -m pip install --quiet --target .tools/uv uv 2>/dev/null || true
	@test -x $@ || { echo "uv could not be fetched: it needs Python with venv or pip (Debian: python3-venv), and the network."; exit 1; }

$(PYTHON): | $(UV)
	@$(UV) venv --quiet --allow-existing --python "$$(cat .python-version)" $(VENV)

$(READY): requirements.lock pyproject.toml $(MESSAGES) | $(PYTHON) $(UV)
	@if ! cmp -s requirements.lock $(VENV)/.installed.lock; then \
		echo "Installing what requirements.lock names into $(VENV)/"; \
		$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock; \
		cp requirements.lock $(VENV)/.installed.lock; fi
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@$(PYTHON) tools/messages.py compile
	@$(PYTHON) tools/warm.py
	@touch $@

# Spark alone weighs half a gigabyte: a place of its own, made when somebody asks for it.
$(ENGINES)/.ready: requirements-engines.lock pyproject.toml $(MESSAGES) | $(UV)
	@$(UV) venv --quiet --allow-existing --python "$$(cat .python-version)" $(ENGINES)
	@if ! cmp -s requirements-engines.lock $(ENGINES)/.installed.lock; then \
		echo "Installing what requirements-engines.lock names into $(ENGINES)/"; \
		$(UV) pip sync --quiet --python $(ENGINES)/bin/python --require-hashes requirements-engines.lock; \
		cp requirements-engines.lock $(ENGINES)/.installed.lock; fi
	@$(UV) pip install --quiet --python $(ENGINES)/bin/python --no-deps --no-build-isolation --editable .
	@$(ENGINES)/bin/python tools/messages.py compile
	@$(ENGINES)/bin/python tools/warm.py
	@touch $@

# Every target does its own set-up; a second run is warm.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
HARNESS := $(VENV)/bin/harness
READY := $(VENV)/.ready
PROFILE ?= production
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras

.DEFAULT_GOAL := help
.PHONY: help setup test lint clean lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) build/.packages ## virtual environment from the locked, hashed dependencies; Debian packages

$(READY): requirements/all.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

build/.packages: deploy/packages.sh
	@mkdir -p build
	@deploy/packages.sh
	@touch $@

test: setup ## the harness's and the server's own tests
	$(PY) -m pytest -q

lint: setup ## ruff
	$(VENV)/bin/ruff check .

lock: ## resolve the dependencies anew (needs uv)
	$(LOCK) pyproject.toml --group server --group dev --group build --output-file requirements/all.txt
	$(LOCK) --group server --constraints requirements/all.txt --output-file requirements/server.txt

clean: ## remove what was generated
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

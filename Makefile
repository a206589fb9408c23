# Every target does its own set-up; a second run is warm.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup test lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) build/.packages ## virtual environment from the locked, hashed dependencies; Debian packages

$(READY): requirements/all.txt
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/all.txt
	@touch $@

build/.packages:
	@mkdir -p build
	@deploy/packages.sh
	@touch $@

test: setup ## the harness's and the server's own tests
	$(PY) -m pytest -q

lint: setup ## ruff
	$(VENV)/bin/ruff check .

clean: ## remove what was generated
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

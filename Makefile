# `make` alone prints what there is to make.
PYTHON ?= python3
# cpu, or gpu after PaddlePaddle's GPU build was installed as the README says.
EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed-$(EXTRA)

.DEFAULT_GOAL := help
.PHONY: help install train test test-all lint format clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make .venv with the known-good versions of everything

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "oldrestore needs Python 3.11 or newer: make PYTHON=python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA),dev]'
	@touch $@

train: install ## train the quickstart: a few minutes on a CPU
	$(BIN)/oldrestore train experiments=quickstart

test: install ## the test suite, under 10 minutes on 2 cores
	$(BIN)/python -m pytest -m "not slow"

test-all: install ## the slow tests too
	$(BIN)/python -m pytest

lint: install ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install ## put formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches; outputs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist

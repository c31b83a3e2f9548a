# `make` alone prints what there is to make.
PYTHON ?= python3
# cpu, or gpu after PaddlePaddle's GPU build was installed as the README says.
EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed-$(EXTRA)

.DEFAULT_GOAL := help
.PHONY: help install train test test-avx2 test-all bench lint format clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make .venv with the known-good versions of everything

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "oldrestore needs Python 3.11 or newer: make PYTHON=python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA),dev]'
	@touch $@

train: install ## train the quickstart, judged by two networks: a few minutes on a CPU
	@$(BIN)/oldrestore weights fetch squeezenet > /dev/null
	$(BIN)/oldrestore train experiments=quickstart 'judge=[efficientnet_lite0,squeezenet]'

# A process for each core with a thread each: threads that wait for one another spin, which takes hours on a busy machine.
test: install ## the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses logical --maxprocesses 8 --dist loadfile

# What depends on the arithmetic of a processor.
ARITHMETIC := tests/kernels tests/losses tests/training tests/models/test_engine.py tests/evaluation/test_judge.py \
	tests/run/test_resuming.py tests/run/test_kernels_of_runs.py tests/run/test_kill_and_resume.py tests/reproduction tests/run/processes \
	tests/engines tests/commands/test_colorize.py

test-avx2: install ## losses, training, resuming, reproducing and inference again, on all threads, as on a processor without AVX-512
	MKL_DEBUG_CPU_TYPE=5 ONEDNN_MAX_CPU_ISA=AVX2 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -m "not slow" $(ARITHMETIC)

test-all: install ## the slow tests too
	$(BIN)/python -m pytest

# Another Python that has PyTorch, to be measured beside: make bench TORCH=/path/to/python
TORCH ?=

bench: install ## what is fast, against whom: an hour on 2 idle cores
	$(BIN)/python benchmarks/training_step.py $(if $(TORCH),--torch $(TORCH))
	$(BIN)/python benchmarks/layers.py $(if $(TORCH),--torch $(TORCH))
	$(BIN)/python benchmarks/inference.py $(if $(TORCH),--torch $(TORCH))
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/loss.py --repeats 1
	$(BIN)/python benchmarks/trackers.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/start_up.py --train
	$(BIN)/python benchmarks/comparison.py
	$(BIN)/python benchmarks/list_runs.py

lint: install ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install ## put formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches; outputs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist

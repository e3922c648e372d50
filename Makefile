# What needs the environment makes it first, once, in .venv; it is brought up to date when
# pyproject.toml or constraints.txt change.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
ELSEWHERE := .venv/oldest-onnxruntime
# Before it no opset above 19 is read, and files have the exporter's own: 20. The other one is for files of opset 18, and
# the oldest with wheels for Python 3.11.
OLDEST_ONNXRUNTIME := 1.17.0
OLDEST_ONNXRUNTIME_OPSET_18 := 1.15.0

# Each test process computes on one thread: more of them would fight over the cores.
PYTEST_ARGS ?= --numprocesses=logical --maxprocesses=4 --dist=loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-consumers test-onnxruntime lint format types clean

help:
	@echo "make demo     the whole job on built-in data, offline, about two minutes on two cores"
	@echo "make test     the tests; with TTL_REALDATA=FOLDER also those on real images and weights"
	@echo "make test-consumers  the tests that need Chromium, node, OpenVINO or Ray, where these are there"
	@echo "make test-onnxruntime  exported files with the oldest onnxruntimes that are supported"
	@echo "make lint     ruff: rules and format"
	@echo "make format   ruff: rewrite to the format"
	@echo "make types    mypy, strict"
	@echo "make setup    only the environment, in .venv (PYTHON=python3.12 chooses the interpreter)"
	@echo "make clean    remove the environment and every cache"

setup: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/ttl demo

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS) -m "not consumers"

# One that is skipped though its program is there has failed: tests/consumers.py.
test-consumers: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS) -m consumers

# Of the oldest versions there are no wheels for Python 3.13 and newer, nor for numpy 2.
test-onnxruntime: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python tests/export/write_files.py $(ELSEWHERE)/files
	OMP_NUM_THREADS=1 $(BIN)/python tests/export/write_files.py $(ELSEWHERE)/files18 18
	for tried in '$(OLDEST_ONNXRUNTIME) files' '$(OLDEST_ONNXRUNTIME_OPSET_18) files18'; do \
	    set -- $$tried && \
	    $(BIN)/uv venv --quiet --clear --python '>=3.11,<3.13' $(ELSEWHERE)/$$1 && \
	    $(BIN)/uv pip install --quiet --python $(ELSEWHERE)/$$1/bin/python "onnxruntime==$$1" 'numpy<2' && \
	    $(ELSEWHERE)/$$1/bin/python tests/export/run_elsewhere.py $(ELSEWHERE)/$$2 || exit 1; \
	done

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED)
	$(BIN)/mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
	find ttl tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Compiling the bytecode now makes every start 2.5 times faster where writing it later is off.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "$(PYTHON) is missing or older than Python 3.11: install a newer one, or name it with 'make PYTHON=/path/to/python3.12'." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	    echo "$(PYTHON) can't make a virtual environment in .venv: install its venv module (on Debian and Ubuntu, python3-venv)." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --constraint constraints.txt \
	    --build-constraint constraints.txt --editable '.[dev]'
	@touch $@

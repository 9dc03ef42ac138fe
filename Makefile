# Two commands for everyone: `make demo` and `make test`. Both need only Python 3.11+ and make;
# both make .venv once and reuse it until pyproject.toml changes.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES := minibatch tests examples benchmarks tools

.PHONY: help demo test test-all lint types format parity bench clean

help:
	@echo "make demo       train on digits at several batch sizes; table, figures, numbers in minibatch-demo/"
	@echo "make test       lint, types and every test but the slow ones"
	@echo "make test-all   the slow ones too"
	@echo "make lint | types | format | parity | bench | clean"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"minibatch needs Python 3.11 or newer; $(PYTHON) is {v.major}.{v.minor}. Try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/python -m minibatch demo

lint: $(VENV)/.test
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.test
	$(BIN)/mypy

test: lint types
	$(BIN)/python -m pytest -m "not slow"

test-all: lint types
	$(BIN)/python -m pytest

format: $(VENV)/.test
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# Which of Keras's names are here: docs/keras-parity.md, from both libraries as they are installed.
parity: $(VENV)/.test
	$(BIN)/python tools/keras_parity.py

bench: $(VENV)/.test
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

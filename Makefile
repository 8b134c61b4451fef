PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint type test-fast test-slow help-texts clean

setup: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $(READY)

demo: setup  ## The main job on data that ships with scikit-learn
	$(BIN)/balancegan demo --out balancegan-demo --overwrite --seed 0

test: lint type test-fast  ## Lint, types and tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup
	$(BIN)/mypy

test-fast: setup
	$(BIN)/python -m pytest -n auto

test-slow: setup  ## Real learning and long runs
	$(BIN)/python -m pytest -m slow

help-texts: setup  ## Write the committed --help texts anew
	$(BIN)/python tests/help_texts.py

clean:
	rm -rf $(VENV) balancegan-demo build

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint type test-fast test-slow fuzz malformed help-texts bench-help clean

FUZZ_SECONDS ?= 60

setup: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $(READY)

demo: setup  ## The main job on data that ships with scikit-learn
	$(BIN)/balancegan demo --out balancegan-demo --overwrite --random-state 0

test: lint type test-fast  ## Lint, types and tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup
	$(BIN)/mypy

test-fast: setup
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: setup  ## Real learning and long runs
	$(BIN)/python -m pytest -m slow --timeout 3600

fuzz: setup  ## Search for inputs that break a reader, guided by coverage
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	$(BIN)/python -m fuzz.coverage_guided -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -timeout=10

malformed: setup  ## Ten thousand malformed inputs over all readers
	$(BIN)/python -m fuzz.malformed --n 10000

bench-help: setup  ## Every method on every set of DATA=folder; hours, resumes where it stopped
	$(BIN)/python benchmarks/methods.py --data $(DATA) --cache .bench-cache

help-texts: setup  ## Update the committed --help texts
	$(BIN)/python tests/help_texts.py

clean:
	rm -rf $(VENV) balancegan-demo build

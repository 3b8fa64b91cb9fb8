# Everything a newcomer needs is `make quickstart` and `make test`. Both reuse a .venv that is already right.
PYTHON ?= python3
BIN := .venv/bin
RAY_PROCESSES ?= 2
STAMP := .venv/.installed

.PHONY: setup quickstart docs test lint type test-fast test-ray test-faults test-faults-full bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all,docs,dev]'
	touch $@

quickstart: setup
	$(BIN)/labelbench run experiments/quickstart.py

# The pages, in docs/_build/html; a broken link between pages is an error.
docs: setup
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

test: lint type test-fast test-ray

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup
	$(BIN)/mypy

test-fast: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore tests/ray --numprocesses auto --maxprocesses 4 --dist worksteal

# In RAY_PROCESSES processes, each with a Ray of its own: most of these tests wait for processes to start.
test-ray: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/ray --numprocesses $(RAY_PROCESSES) --dist loadfile

# A sample meant for ten minutes, or all of it in some hours; parts that have an answer in .faults/ are not run again.
test-faults: setup
	$(BIN)/python -m tests.faults.all --again

test-faults-full: setup
	$(BIN)/python -m tests.faults.all --full

bench: setup
	$(BIN)/python benchmarks/all.py

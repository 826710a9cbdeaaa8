# Two commands are enough on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PLUGINS := $(wildcard plugins/*)
# Each test process computes on one thread: two of them fill two cores, and spinning threads do not fight for them.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help demo test check docs prove bench clean

help:
	@echo "make demo    draw digits, train a CycleGAN on them for two minutes, translate unseen ones"
	@echo "make test    all tests but the slow proofs"
	@echo "make check   ruff and mypy"
	@echo "make docs    the documentation as a site: docs/_build/html/index.html"
	@echo "make prove   the slow proofs: quality of trained models, batches and trainings that are killed, hostile pictures"
	@echo "make bench   start-up; a training step, an enlargement, a folder of files, each beside the plain way"
	@echo "make clean   remove what these made"

$(INSTALLED): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'i2i needs Python 3.11 or newer: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable ".[evaluate]" $(addprefix --editable ,$(PLUGINS))
	@touch $@

demo: $(INSTALLED)
	rm -rf demo
	$(BIN)/i2i data make digits --dst demo/digits --count 2000
	$(BIN)/i2i data make digits --dst demo/unseen --count 12 --seed 1
	$(BIN)/i2i fit --plugin cyclegan-digits --src demo/digits/white --target demo/digits/yellow --out demo/run
	$(BIN)/i2i translate --run demo/run --src demo/unseen/white --dst demo/to-yellow
	$(BIN)/i2i translate --run demo/run --direction target-to-source --src demo/unseen/yellow --dst demo/to-white
	$(BIN)/i2i data sheet demo/unseen/white demo/to-yellow demo/unseen/yellow demo/to-white --out demo/sheet.png
	@echo "Unseen digits and their translations: demo/sheet.png"

test: $(INSTALLED)
	$(TEST) -n 2

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -M html docs docs/_build --fail-on-warning --keep-going --nitpicky --quiet
	@echo "The documentation: docs/_build/html/index.html"

prove: $(INSTALLED)
	$(BIN)/python -m pytest -m prove -s tests/prove

bench: $(INSTALLED)
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/cyclegan_step.py
	$(BIN)/python benchmarks/super_resolution.py
	$(BIN)/python benchmarks/batch_inference.py

clean:
	rm -rf $(VENV) demo runs docs/_build .pytest_cache .mypy_cache .ruff_cache

# Two commands are enough on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PLUGINS := $(wildcard plugins/*)
# Each test process computes on one thread: two of them fill two cores, and spinning threads do not fight for them.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help demo browser test check docs prove bench clean

help:
	@echo "make demo    pictures enlarged, painted and drawn by what is shipped, on one page; under four minutes"
	@echo "make test    all tests but the slow proofs"
	@echo "make check   ruff and mypy"
	@echo "make docs    the documentation as a site: docs/_build/html/index.html"
	@echo "make prove   the slow proofs: quality of trained models, batches and trainings that are killed, hostile pictures"
	@echo "make bench   training, translation and start-up beside plain loops: a table, and benchmarks/results/;"
	@echo "             about 15 minutes on two cores; BENCH='--only gatys --rounds 9' measures one part again"
	@echo "make clean   remove what these made"

$(INSTALLED): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'i2i needs Python 3.11 or newer: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable ".[evaluate]" $(addprefix --editable ,$(PLUGINS))
	@touch $@

# Every step does what is not done yet: stopped, it goes on with the same command; `make clean` begins afresh.
demo: $(INSTALLED)
	@echo "== Photographs, a drawn landscape, digits: demo/given"
	@$(BIN)/python docs/results/demo_pictures.py demo
	@echo "== Small pictures four times larger, by weights that come with i2i-srgan: demo/made/enlarge"
	$(BIN)/i2i translate --plugin srgan --src demo/given/enlarge --dst demo/made/enlarge
	@echo "== How close that comes to the originals, beside bicubic"
	$(BIN)/i2i evaluate --pred demo/made --target demo/wanted --src demo/given --glob 'enlarge/*' --csv demo/enlarge.csv
	@echo "== White digits redrawn in yellow, by weights that come with i2i-cyclegan: demo/made/redraw"
	$(BIN)/i2i translate --plugin cyclegan-digits --src demo/given/redraw --dst demo/made/redraw
	@echo "== New emoji, by weights that come with i2i-dcgan: demo/drawn"
	$(BIN)/i2i translate --plugin dcgan-emoji --count 96 --seed 1 --grid --force --dst demo/drawn
	@mkdir -p demo/made/draw && cp demo/drawn/grid.png demo/made/draw/emoji.png
	@echo "== Two pictures in the style of a painting, with features learned from it alone: demo/made/paint"
	$(BIN)/i2i translate --plugin gatys --set model.style=demo/style.png --set model.features.use=learned --src demo/given/paint --dst demo/made/paint
	@echo "== All of it on one page"
	$(BIN)/i2i gallery demo/given demo/made demo/wanted --csv demo/enlarge.csv --title "What i2i makes of pictures" --force --out demo/gallery.html
	@echo "Open it in a browser: demo/gallery.html"

# What the tests of pages look at them with; without it they are skipped. Root installs it where Debian's packages are.
browser:
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null; } \
		|| echo "no Chromium: the tests of pages in a browser will be skipped"

test: $(INSTALLED) browser
	$(TEST) -n 2 --dist worksteal

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
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) demo runs docs/_build .pytest_cache .mypy_cache .ruff_cache

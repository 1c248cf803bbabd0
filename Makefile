# make book: the book, built in _build/html       make lab: the chapters as notebooks, in JupyterLab
# make student-notebooks: these without the solutions, in _build/student-notebooks
# make test: the quick checks (minutes)            make test-all: these, the book, the browser and the slow tests
# make test-chapters: every chapter in JupyterLab, run and played with: seconds per chapter, and first screens
# make test-minimum, make test-newest: the quick tests of the library at both ends of what pyproject.toml allows
# make coursework: the assignments, for students and for teachers, in _build/coursework
# make coursework-demo: a made-up class in a temporary folder, from the assignments to marks, feedback and tables
# make links: are the pages of others that the book links to still there? Says so, and fails nothing.
# Needs Python 3.11 or later, make and a package index. Another Python: make PYTHON=python3.13 book

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

# What the built book depends on: all files and folders, so that a page that is gone counts too.
SOURCES := $(shell find book/. minidyn/. _config.yml _toc.yml -not -path "*/__pycache__*" -not -path "*/node_modules*" -not -path "*/.ipynb_checkpoints*")

.PHONY: book coursework coursework-demo test test-all test-code test-pages test-slow test-browser test-chapters test-minimum test-newest links lab student-notebooks clean
.DELETE_ON_ERROR:

book: _build/html/.complete
	@echo "The book is built. Open it in a browser: file://$(CURDIR)/_build/html/index.html"

# Runs the pages on all cores; then Sphinx lays them out and finds their outputs in the cache. A warning is an error.
_build/html/.complete: $(INSTALLED) $(SOURCES)
	$(BIN)/python book/_ext/run_pages.py
	$(BIN)/jupyter-book build . -W -n --keep-going --all
	@touch $@

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

# Side by side: the tests of the code, which use one core, and the pages with the tests of them, which mostly wait.
test-all: $(INSTALLED)
	$(MAKE) -j2 --output-sync=target test-code test-pages

test-code: test
	$(MAKE) test-slow

test-pages: book coursework
	$(MAKE) test-browser

test-slow: $(INSTALLED)
	$(BIN)/pytest -m "slow and not browser" --durations=15

test-browser: $(INSTALLED)
	$(BIN)/pytest -m browser --durations=15

# A quarter of an hour. One chapter: .venv/bin/pytest -m chapters -k instabilities
test-chapters: $(INSTALLED)
	$(BIN)/pytest tests/book/test_chapters.py -m chapters

# In an environment of their own, without the tools of the book. Another Python: make PYTHON=python3.13 test-newest
test-minimum:
	$(call test_with,minimum,lowest-direct)

test-newest:
	$(call test_with,newest,highest)

define test_with
	$(PYTHON) -m venv --clear _build/$(1)
	_build/$(1)/bin/python -m pip install --quiet uv
	_build/$(1)/bin/uv pip install --quiet --python _build/$(1)/bin/python --resolution $(2) --editable ".[all,cluster,coursework]" "pytest>=9,<10" "hypothesis>=6.100"
	NUMBA_CACHE_DIR="$(CURDIR)/_build/$(1)/numba" _build/$(1)/bin/python -m pytest --ignore=tests/book --durations=10
endef

coursework: $(INSTALLED)
	$(BIN)/python -m minidyn.coursework build --out _build/coursework

coursework-demo: $(INSTALLED)
	$(BIN)/python -m minidyn.coursework demo

links: $(INSTALLED)
	-$(BIN)/jupyter-book build . --builder linkcheck

# The notebooks are made from the chapters, in notebooks/; those that a reader has edited stay as they are.
lab: $(INSTALLED)
	$(BIN)/python book/_ext/notebook_folder.py
	JUPYTER_CONFIG_PATH="$(CURDIR)/book/_jupyter" $(BIN)/jupyter lab --notebook-dir=notebooks --LabApp.default_url=/lab/tree/index.ipynb $(LAB)

student-notebooks: $(INSTALLED)
	$(BIN)/python book/_ext/notebook_folder.py --without-solutions --folder _build/student-notebooks

clean:
	rm -rf .venv _build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("minidyn needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 book")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

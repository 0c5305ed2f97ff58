# Two commands from a fresh clone, with nothing but Python >= 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test answers bytes docs check clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed; try: make PYTHON=python3.12"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/modalmill demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest tests -n auto --dist worksteal

# What 'make test' goes through for one fusion of each kind, for all of them: closed forms, exported graphs.
answers: $(VENV)/.installed
	MODALMILL_CAMPAIGN=1 $(BIN)/python -m pytest tests/stages/train -n auto --dist worksteal

# Whether the demo and the recipes write the same bytes as another commit: make bytes BASE=commit
BASE ?= HEAD
bytes: $(VENV)/.installed
	$(BIN)/python tests/same_bytes.py $(BASE)

# The documentation as pages, in build/site
docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

check: $(VENV)/.installed
	$(BIN)/ruff check .
	mkdir -p build/typing && ln -sfn ../.. build/typing/modalmill
	MYPYPATH=build/typing $(BIN)/mypy -p modalmill.schemas -p modalmill.stages -p modalmill.pipeline -p modalmill.demo -m modalmill.cli
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info demo-out out

# Two commands do all set-up on a machine with Python 3.11 or newer and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
PIP     = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO   ?= warehouse/demo

.PHONY: demo test install check lint clean

demo: $(VENV)/.base          ## environment, then the main job on the generated feed
	$(VENV)/bin/hsrl demo --warehouse $(DEMO)

test: install lint           ## environment, then every check and test; skipped ones are named with their reason
	$(VENV)/bin/pytest -n 2 --dist loadfile

install: $(VENV)/.dev        ## the environment alone

check: install lint          ## what one runs while working
	$(VENV)/bin/pytest -n 2 --dist loadfile -m "not slow"

lint:
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP) -e '.[dev]'
	touch $@

clean:                       ## the environment and everything generated
	rm -rf $(VENV) $(DEMO)

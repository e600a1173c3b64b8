# Two commands do all set-up on a machine with Python 3.11 or newer and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= warehouse/demo
# Versions of every package come from requirements.lock; also those of what only builds.
VERSIONS = $(VENV)/versions.txt
PIP      = PIP_CONSTRAINT=$(VERSIONS) $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# Two processes of tests, a file to one of them whole, in the order of tests/conftest.py and not by their number of tests.
TWO      = -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test install check lint docs diagram lock clean

demo: $(VENV)/.train         ## environment, then the main job on the generated feed
	$(VENV)/bin/hsrl demo --warehouse $(DEMO)

test: install lint           ## environment, then every check and test; skipped ones are named with their reason
	$(VENV)/bin/pytest $(TWO)

install: $(VENV)/.dev        ## the environment alone

check: install lint          ## what one runs while working
	$(VENV)/bin/pytest $(TWO) -m "not slow"

lint:
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --num-workers 2
	$(VENV)/bin/lint-imports

docs: install                ## the pages and the reference of the Python API as a site, in site/; nothing is fetched
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

diagram:                     ## docs/path.svg and the table of docs/architecture.md, from the imports
	$(PYTHON) docs/make_path.py

$(VENV)/.core: pyproject.toml constraints.txt requirements.lock  ## enough to ask SQL and to read Semantic IDs
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	cat constraints.txt > $(VERSIONS)
	sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\) .*/\1/p' requirements.lock >> $(VERSIONS)
	$(PIP) -e .
	touch $@

$(VENV)/.train: $(VENV)/.core
	$(PIP) -e '.[train]'
	touch $@

# The whole tree, each file of it by its hash, then torch, whose hash differs from machine to machine. Python compiles what is imported
# when it is imported: to compile all of it here takes 45 seconds.
$(VENV)/.dev: $(VENV)/.core
	$(VENV)/bin/python -m pip install --no-compile --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(PIP) --no-compile -e '.[dev]'
	touch $@

define LOCK_HEADER
# Every package of the extra dev and what it brings, with the hashes of all its files: made by `make lock`, installed by `make install`.
# torch stands outside: the pin of constraints.txt finds another file on another machine (a CPU wheel here, one with CUDA there), which
# no list of hashes can foresee. Which wheels there are to choose from also depends on the system: made on Linux with Python 3.11.
endef
export LOCK_HEADER

lock:                        ## requirements.lock anew, changing no version that still fits; delete a line first to have it chosen anew
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	cp requirements.lock build/requirements.lock
	build/lock/bin/pip-compile --quiet --generate-hashes --extra dev --strip-extras --constraint constraints.txt --unsafe-package torch \
		--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file build/requirements.lock pyproject.toml
	echo "$$LOCK_HEADER" > requirements.lock
	sed '/^# WARNING/,/^    # via hsrl/d' build/requirements.lock >> requirements.lock

clean:                       ## the environment and everything generated
	rm -rf $(VENV) $(DEMO) build site

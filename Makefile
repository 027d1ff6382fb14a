# Two commands: `make demo` and `make test`. Both set up .venv first, once. `make help` lists all.
#
#   PYTHON=python3.12          another interpreter (3.11 or newer)
#   TORCH_INDEX=https://download.pytorch.org/whl/cpu
#                              take PyTorch from this index: CPU wheels, for a machine without a GPU
#   CORES=8                    cores for the demo

PYTHON ?= python3
TORCH_INDEX ?=
CORES ?= 2
TORCH := torch==2.13.0
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-slow verify fuzz lint check site lock peers clean help

# A small benchmark end to end, and the path of its card.
demo: $(READY)
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml --quiet progress rules reason host
	@echo "The finished card: $(CURDIR)/results/demo/model_card.html"

# The test suite, without what takes minutes each.
# As many tests side by side as there are cores, each on one thread: PyTorch's on all cores at once are slower.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not slow'

# The tests that take minutes each, which CI leaves out.
test-slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slow --timeout 0

# The committed runs made again, and compared.
# results/sample whole; of results/published, where its images are at hand, a sample.
verify: $(READY)
	OMP_NUM_THREADS=$(CORES) $(BIN)/srgrid verify results/sample --sample all --threads $(CORES)
	$(BIN)/srgrid card --check README.md results/published
	test -z "$$SRGRID_MIRROR" || $(BIN)/srgrid verify results/published --sample 3 --seed 2581 --threads $(CORES)

# Damaged input for every reader.
# For SRGRID_FUZZ_SECONDS (an hour), from SRGRID_FUZZ_SEED on; findings go to build/fuzz.
fuzz: $(READY)
	SRGRID_FUZZ_SECONDS=$${SRGRID_FUZZ_SECONDS:-3600} $(BIN)/pytest tests/fuzz --timeout 0

# Style, types and Snakemake's linter.
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

# Licences and known vulnerabilities of all that requirements.lock pins.
# It asks PyPI, and fails (--strict) if it gives no answer for one.
check: $(READY)
	$(BIN)/python tools/licences.py
	test -x build/audit/bin/pip-audit || ($(PYTHON) -m venv build/audit && build/audit/bin/pip install --quiet pip-audit==2.10.1)
	build/audit/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip

# The documentation as a site, in build/site.
# MkDocs in an environment of its own; a link that leads nowhere is an error.
site:
	test -x build/docs/bin/mkdocs || ($(PYTHON) -m venv build/docs && build/docs/bin/pip install --quiet mkdocs-material==9.8.2 'mkdocstrings[python]==1.0.8')
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --quiet
	@echo "The site: $(CURDIR)/build/site/index.html"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "srgrid needs Python 3.11 or newer: make PYTHON=...")'
	@echo "Setting up .venv, once: two to five minutes, and 2 GB of disk; 6 GB with PyTorch for CUDA."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(BIN)/pip install --index-url $(TORCH_INDEX) $(TORCH))
	$(BIN)/pip install --no-deps -r requirements.lock
	@# PyTorch's CUDA wheel brings packages of its own, pinned by itself; a CPU wheel brings none.
	$(BIN)/pip install $(TORCH)
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

# requirements.lock anew: the exact versions of everything, from the ranges in pyproject.toml.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	$(if $(TORCH_INDEX),build/lock/bin/pip install --quiet --index-url $(TORCH_INDEX) $(TORCH))
	build/lock/bin/pip install --quiet $(TORCH)
	build/lock/bin/pip install --quiet '.[dev]'
	(echo '# Made by `make lock` from pyproject.toml.'; build/lock/bin/pip freeze --exclude srgrid | sed 's/^torch==.*/$(TORCH)/' \
	  | grep -vE '^(nvidia|cuda|triton)') > requirements.lock
	rm -rf build/lock

# Other toolboxes for the scripts in benchmarks/, outside the environment.
peers: $(READY)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --upgrade --target build/peers \
	  basicsr==1.4.2 super-image==0.2.0 studiosr==0.1.14 opencv-python-headless==4.12.0.88

# Remove the environment and all that was made.
clean:
	rm -rf .venv build results/demo resources .snakemake

# This list.
# It is the first line of the comment above each target.
help:
	@awk '/^# / { if (!said) said = substr($$0, 3); next } \
	  /^[a-z-]+:/ { name = $$1; sub(":.*", "", name); if (said) printf "make %-10s %s\n", name, said } { said = "" }' Makefile

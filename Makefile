# Two commands do everything on a fresh machine: `make demo` and `make test`. Both make their own .venv.
# Choose the interpreter with `make PYTHON=/path/to/python`.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Python compiles a module when it is first imported; pip would compile all of them, most of which are never imported.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile

.PHONY: install demo test browser lerobot compiled quick check docs format base clean

install: $(STAMP)

# A .venv without pip is one that was cut off, or made where python3-venv is missing: it is made again, in place.
$(STAMP): pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "a2g needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  echo "$(PYTHON) -m venv $(VENV)"; \
	  $(PYTHON) -m venv $(VENV) || { \
	    rm -rf $(VENV); \
	    echo "no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; }
	$(PIP) --quiet --editable ".[dev]"
	touch $(STAMP)

demo: install
	$(BIN)/a2g demo

# The shipped base, made again: a quarter of an hour on a GPU, on two cores with PRECISION=bf16 some 2.5 hours;
# stopped at any moment, the same command goes on. Nothing is held out, as when the shipped base was trained. auto is bf16 on a GPU alone; CPUs without AMX emulate it.
PRECISION ?= auto
base: install
	$(BIN)/a2g pretrain --scene place --scene write --scene plug --demonstrations place=2500 \
	  --demonstrations write=2500 --demonstrations plug=1500 --share place=1.5 --share write=4 --share plug=0.5 \
	  --copies 3 --batch 256 --iterations 18000 --held-out 0 --precision $(PRECISION) --compile --out training/base
	mkdir -p a2g_cli/checkpoints/base
	cp training/base/checkpoint/* a2g_cli/checkpoints/base/

# Each worker takes a core and up to 2 GB of memory: `make test WORKERS=8`.
WORKERS ?= 2
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
test: $(VENV)/.tests $(if $(CHROMIUM),$(VENV)/.browser)
	$(MAKE) --jobs 2 check docs compiled
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The page and the report in a real browser: `apt install chromium` first. With SHOTS=FOLDER they leave screenshots there.
# `make test` runs these tests as well, where there is a Chromium.
browser: $(VENV)/.tests $(VENV)/.browser
	A2G_SHOTS=$(SHOTS) $(BIN)/python -m pytest tests/test_view_browser.py

# The tests of LeRobot's arms, teleoperators and data sets with LeRobot 0.6, which needs Python 3.12 (and brings torch with CUDA: gigabytes).
PYTHON312 ?= python3.12
lerobot:
	test -d .venv-lerobot || $(PYTHON312) -m venv .venv-lerobot
	.venv-lerobot/bin/pip install --quiet --editable ".[dev]" "lerobot[feetech,dataset]>=0.6,<0.7"
	.venv-lerobot/bin/python -m pytest tests/test_robot_lerobot.py tests/test_teleoperation.py tests/test_hardware_guide.py \
	  tests/test_exchange_lerobot.py tests/test_exchange_lerobot_columns.py tests/test_exchange_lerobot_foreign.py

# Playwright drives the system's own browser; none is downloaded. Some platforms have no Playwright: there its tests are skipped.
$(VENV)/.browser: $(STAMP)
	{ $(PIP) -qqq --editable ".[browser]" && touch $@; } || echo "Playwright cannot be installed: its tests are skipped." >&2

# What tests import, compiled before they run: a compiler's warning about another project's code would be a test's failure.
# `make test` does it while mypy keeps another core busy. Some packages have files that are for other versions of Python.
compiled: $(VENV)/.tests
	$(BIN)/python -m compileall -qq -j 2 -x '/tests?/' $(VENV)/lib/python*/site-packages || true

# The tests that are nearest to what was changed since SINCE (default: since main), in under a minute.
quick: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SINCE=$(SINCE) $(BIN)/python tests/quick.py

# What tests and documentation need beyond a2g[dev]. Recordings and exports promise that robomimic, LeRobot and Rerun read them.
# robomimic's SequenceDataset needs none of what robomimic asks for (torchvision, EGL …), LeRobot's robots, motors and dataset
# class none of what its policies do. feetech-servo-sdk has no wheel: setuptools, which a2g's own build needs, builds it.
$(VENV)/.tests: $(STAMP)
	$(PIP) -qqq --editable ".[docs]" "datasets>=4,<5" pandas "rerun-sdk>=0.41"
	$(PIP) -qqq --no-deps robomimic==0.3.0 \
	  lerobot==0.4.4 draccus==0.10.0 mergedeep==1.3.4 typing-inspect==0.9.0 pyyaml-include==1.4.1 toml==0.10.2 \
	  deepdiff==9.1.0 orderly-set==5.5.0 cachebox==6.2.10 pyserial==3.5 feetech-servo-sdk==1.0.0
	touch $(VENV)/.docs $@

# The documentation site, in site/. mkdocs.yml is strict: a warning is an error. `make docs SERVE=1` shows it at localhost:8000.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs $(if $(SERVE),serve,build --quiet)

$(VENV)/.docs: $(STAMP)
	$(PIP) --quiet --editable ".[docs]"
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=benchmarks $(BIN)/mypy --explicit-package-bases a2g_cli benchmarks docs

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

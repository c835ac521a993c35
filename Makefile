# Every target creates .venv and installs what it needs first; nothing else has to be typed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOME_FLAG := --home mmbench-home
TEST_PROCESSES ?= 2

.PHONY: run test check bench clean

# The main job: VBPR on encoded pictures and texts, beside its controls, and the table.
run: $(VENV)/installed
	$(BIN)/mmbench run --model VBPR --encoder efficientnet+minilm --dataset toyshop $(HOME_FLAG)
	$(BIN)/mmbench run --model VBPR --encoder permuted:efficientnet+minilm --dataset toyshop $(HOME_FLAG)
	$(BIN)/mmbench run --model VBPR --encoder oracle --dataset toyshop $(HOME_FLAG)
	$(BIN)/mmbench run --model Pop --dataset toyshop $(HOME_FLAG)
	$(BIN)/mmbench leaderboard $(HOME_FLAG)

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

check: $(VENV)/installed
	$(BIN)/mmbench check $(HOME_FLAG)

# Training and ranking beside the bare loop, RecBole and Cornac; see benchmarks/README.md.
bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks.speed.engine

# RecBole's pins (Ray of 2023) contradict the rest, so it comes last and without dependencies.
$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else "mmbench needs Python 3.10 to 3.13, this is %d.%d: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[offline]'
	$(BIN)/pip install --quiet --no-deps recbole==1.2.1
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[offline,dev]'
	touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[offline,bench]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info

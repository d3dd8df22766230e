# Every target makes its own virtual environment on first use, from hashed requirements, and again when they change.
#   make demo     a whole cloud on this machine: a worker ingests a bucket through an assumed role (under two minutes)
#   make test     the tests, on two cores; ARGS="-k catalog" passes on to pytest
#   make check    ruff, the formatter and mypy
#   make chaos    seeded schedules of killed workers, lost databases and failing storage; SEEDS=500 FROM=1 CATALOG=both JOBS=2 SEED=n
#   make fuzz     a million hostile files are read: no crash, no hang, none over 50 ms or 16 MB; N=5000 SEED=n JOBS=2
#   make oracles  asks ffprobe, exiftool, Pillow, qpdf and pyarrow anew about the corpus, and shows what has changed
#   make bench    longshore and its peers on the same server; ARGS=--quick for a minute, else half an hour
#   make serve    the demo's cloud and worker, kept up until Ctrl-C
# Needs Python 3.11 to 3.14, pip, venv and a C compiler. PYTHON=/path/to/python chooses one, VENV=/path another place.

VENV ?= .venv
ARGS ?=
SEEDS ?= 50
FROM ?= 1
CATALOG ?= both
JOBS ?= 2
SEED ?=
N ?= 1000000
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
CAN := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for it in python3.14 python3.13 python3.12 python3.11 python3; do \
	if $$it -c '$(CAN)' >/dev/null 2>&1; then echo $$it; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help demo test check chaos fuzz oracles bench serve clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(STAMP)
	@echo "==> demo: a bucket, a role, a queue and a worker on this machine; it ends by itself"
	@$(BIN)/longshore demo $(ARGS)

test: $(STAMP)
	@echo "==> tests"
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal $(ARGS)

check: $(STAMP)
	@echo "==> ruff check"
	@$(BIN)/ruff check
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check
	@echo "==> mypy"
	@$(BIN)/mypy

chaos: $(STAMP)
	@echo "==> chaos: real workers, real faults; nothing may be lost, doubled or stuck"
	@$(BIN)/python -m tests.chaos.run --seeds $(SEEDS) --from $(FROM) --catalog $(CATALOG) --jobs $(JOBS) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

fuzz: $(STAMP)
	@echo "==> fuzz: hostile files are read as the prober reads them; none may crash, hang, or take over 50 ms or 16 MB"
	@$(BIN)/python -m tests.media.fuzz --count $(N) --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ARGS)

$(VENV)/oracles/.installed: requirements/oracles.txt $(STAMP)
	@echo "==> installing pyarrow and Pillow into $(VENV)/oracles (about 150 MB, once)"
	@$(BIN)/python -m venv $(VENV)/oracles
	@$(VENV)/oracles/bin/python -m pip --disable-pip-version-check install --quiet \
		--require-hashes --requirement requirements/oracles.txt
	@touch $@

oracles: $(VENV)/oracles/.installed
	@echo "==> oracles: what ffprobe, exiftool, qpdf, Pillow and pyarrow say of tests/media/files (the first three are the system's)"
	@$(VENV)/oracles/bin/python -W ignore -m tests.media.oracles

bench: $(STAMP) $(VENV)/peers/.installed
	@echo "==> bench: longshore and its peers against the same synthetic S3; ARGS=--quick for a minute, else half an hour"
	@$(BIN)/python -m benchmarks.run --peers-python $(VENV)/peers/bin/python $(ARGS)

serve: $(STAMP)
	@echo "==> serve: the demo's cloud, queue, worker and metrics, kept up until Ctrl-C (there is no web console yet)"
	@$(BIN)/longshore demo --keep $(ARGS)

clean:
	@echo "==> removing $(VENV) and caches"
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(CAN)' || { \
		echo "longshore needs Python 3.11 to 3.14 with venv and pip; name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "==> making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "==> installing what requirements/dev.txt pins into $(VENV) (a minute or two, once)"
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

$(VENV)/peers/.installed: requirements/bench.txt $(STAMP)
	@echo "==> installing the benchmarks' peers into $(VENV)/peers (about 1 GB, once)"
	@$(BIN)/python -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip --disable-pip-version-check install --quiet \
		--require-hashes --requirement requirements/bench.txt && touch $@ || \
		echo "the peers can't be installed here; the table will call them \"not here\"" >&2

# `make` builds the extension that the tests and the demo use, `make test` tests it, `make demo` shows it.
# Targets and places are those of DuckDB's template for Rust extensions, and `quick` between debug and release.

PYTHON ?= python3
CARGO ?= cargo
# --locked where the build must be the committed one (CI); cargo's default elsewhere.
CARGO_FLAGS ?= $(if $(CI),--locked)
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

UNAME := $(shell uname -s)
LIBRARY := $(if $(filter Darwin,$(UNAME)),libamplify.dylib,libamplify.so)

# Mode -> cargo's profile, and the directory cargo puts it in.
PROFILE_debug := dev
PROFILE_quick := quick
PROFILE_release := release

# The Python tests by themselves, on the newest DuckDB.
PYTEST := AMPLIFY_EXTENSION=build/quick/amplify.duckdb_extension PYTHONDONTWRITEBYTECODE=1 \
    build/venv/duckdb-2.0.0/bin/python -m pytest -s -p no:cacheprovider

.DEFAULT_GOAL := quick
.PHONY: help quick debug release probe configure test test_debug test_release model campaign-kills campaign-simulation campaign-fuzz bench bench-quick bench-s3 demo lint fences clean clean_all

help: ## Show the targets
	@sed -n 's/^\([a-z0-9_ -]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
	    while IFS="$$(printf '\t')" read -r target text; do printf '  make %-26s %s\n' "$$target" "$$text"; done

# The example comes along because it has cargo choose the features of the crates below as `cargo test` does: without it,
# the tests would build Arrow and Parquet once more.
quick debug release: ## Build build/<mode>/amplify.duckdb_extension (quick is the default)
	@echo "== Building amplify ($@); the first time this takes minutes"
	$(CARGO) build $(CARGO_FLAGS) --lib --example count_rows --profile $(PROFILE_$@)
	@$(PYTHON) scripts/append_footer.py $(TARGET_DIR)/$@/$(LIBRARY) \
	    build/$@/amplify.duckdb_extension build/$@/extension/amplify/amplify.duckdb_extension

configure: ## Make the pinned environments of the tests, their S3 servers and the demo
	@$(PYTHON) scripts/environments.py

# A build with functions that panic in every kind of callback; cargo puts it in the place of the other one, so it comes
# after it.
probe: quick
	@echo "== Building the extension that panics (for the tests)"
	$(CARGO) build $(CARGO_FLAGS) --lib --example count_rows --profile quick --features panic-probe
	@$(PYTHON) scripts/append_footer.py $(TARGET_DIR)/quick/$(LIBRARY) build/probe/amplify.duckdb_extension

test: quick probe ## Build and run every test, on DuckDB 1.5.6 and 2.0.0
	@$(PYTHON) scripts/run_tests.py --mode quick

test_debug test_release: test_%: % probe ## The same with a debug or release build
	@$(PYTHON) scripts/run_tests.py --mode $*

demo: quick ## Build and show the main job in the DuckDB shell, on a store below build/demo
	@echo "== Getting the DuckDB shell"
	@$(PYTHON) scripts/environments.py cli
	@echo "== Running sql/demo.sql on a new store below build/demo"
	@rm -rf build/demo && mkdir -p build/demo
	@build/venv/cli/duckdb -unsigned -no-init -batch -bail -f sql/demo.sql

model: ## Explore the journal's protocol in the bounds that take minutes
	$(CARGO) test $(CARGO_FLAGS) --profile quick --test store -- model --ignored --nocapture --test-threads 1

# KILLS, SEEDS and STORES say how much of it: make campaign-kills KILLS=20
campaign-kills: KILLS ?= 200
campaign-kills: quick ## Kill writers at any moment beside others that write and read; takes minutes
	@$(PYTHON) scripts/environments.py duckdb-1.5.6 duckdb-2.0.0
	AMPLIFY_KILLS=$(KILLS) $(PYTEST) test/python/test_processes.py -k killed

campaign-simulation: SEEDS ?= 1000000
campaign-simulation: ## Run the journal under faults, with one seed after the other; takes minutes
	AMPLIFY_SEEDS=$(SEEDS) $(CARGO) test $(CARGO_FLAGS) --profile quick --test store -- simulation::every_interl --nocapture

campaign-fuzz: STORES ?= 500
campaign-fuzz: quick ## Ask random questions of random tables, from another seed each time; takes minutes
	@$(PYTHON) scripts/environments.py duckdb-2.0.0
	AMPLIFY_FUZZ_SEED=$${AMPLIFY_FUZZ_SEED:-$$(date +%s)} AMPLIFY_FUZZ_STORES=$(STORES) $(PYTEST) test/python/test_differential.py

# BENCH takes options of `python3 -m bench`: make bench-quick BENCH="--group lookups --duckdb 2.0.0"
bench: release ## Measure against the peers, on 20 M rows: results in bench/results; takes hours
	@$(PYTHON) -m bench $(BENCH)

bench-quick: release ## The same on small data: results in build/bench/results-quick; takes half an hour
	@$(PYTHON) -m bench --quick $(BENCH)

bench-s3: release ## Measure on an S3 server of its own with 30 ms added to each request
	@$(PYTHON) -m bench --s3 $(BENCH)

lint: fences ## Check the format, clippy without warnings, and the fences of the source tree
	@echo "== Checking the format"
	$(CARGO) fmt --check
	@echo "== Running clippy"
	$(CARGO) clippy $(CARGO_FLAGS) --profile quick --all-targets -- -D warnings

fences:
	@echo "== Checking the fences of the source tree"
	@$(PYTHON) scripts/fences.py

clean: ## Delete what was built, but not cargo's dependencies nor the environments
	rm -rf build/debug build/quick build/probe build/release build/demo build/sqllogictest build/servers build/test
	$(CARGO) clean --package amplify

clean_all: ## Delete everything that is not in the repository
	rm -rf build
	$(CARGO) clean

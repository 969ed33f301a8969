# Commonwheel: the commands a person needs. `make help` lists them.

BIN := target/debug/commonwheel
CARGO ?= cargo
export SQLX_OFFLINE ?= true

.DEFAULT_GOAL := help
.PHONY: help up test test-s3 demo bench-quote bench-confirm bench-claims bench-ledger bench-settlement bench-glm bench-passes bench-region bench-reserving bench-score bench-trees lint fmt sqlx openapi setup build dist profile clean-data

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: setup build ## Install what is missing, build, start the platform; Ctrl-C stops it
	@exec $(BIN) up

test: setup ## Run every test; needs nothing running
	@deploy/test.sh

demo: setup build ## Walk the market's story against a fresh platform, checking every amount
	@exec $(BIN) demo

bench-quote: setup ## Measure quotes against pgbench on the same cluster
	@deploy/dist.sh commonwheel quote
	@target/dist/quote

bench-confirm: setup ## Measure confirms against pgbench on the same cluster
	@deploy/dist.sh commonwheel confirm
	@target/dist/confirm

bench-claims: setup ## Measure whole claims against pgbench on the same cluster
	@deploy/dist.sh commonwheel claims
	@target/dist/claims

bench-ledger: setup ## Measure transfers against pgbench on the same cluster
	@deploy/dist.sh ledger
	@target/dist/ledger

bench-settlement: setup ## Close a cycle of a million items while others go on posting
	@deploy/dist.sh settlement
	@target/dist/settlement

# A Python environment of its own for what a measurement compares with; without an index to install from,
# the measurement goes on without the comparison.
PEERS = $(CURDIR)/target/bench/peers
define peer
	@test -x $(PEERS)/bin/python || python3 -m venv $(PEERS) || true
	@$(PEERS)/bin/python -c 'import $(1)' 2>/dev/null \
		|| $(PEERS)/bin/pip install --quiet $(1) "pandas<3" || true
	@$(PEERS)/bin/python -c 'import $(1)' 2>/dev/null && export $(2)=$(PEERS)/bin/python; \
		$(CARGO) bench --quiet --package actuarial-models --bench $(3)
endef

test-s3: ## Run the lake's tests against a real S3 server (moto), in the same environment
	@test -x $(PEERS)/bin/python || python3 -m venv $(PEERS)
	@$(PEERS)/bin/python -c 'import moto.server, flask' 2>/dev/null \
		|| $(PEERS)/bin/pip install --quiet "moto[s3,server]"
	@deploy/test-s3.sh $(PEERS)/bin/python

bench-glm: ## Measure a pricing model's fit against glum, in a Python environment of its own
	$(call peer,glum,GLUM_PYTHON,glm)

bench-passes: setup ## Fit a pricing model to 68 million rows streamed from the lake
	@deploy/dist.sh commonwheel passes
	@target/dist/passes

bench-region: ## Measure the regional factor of 3,200 places
	@$(CARGO) bench --quiet --package actuarial-models --bench region

bench-reserving: ## Measure reserving against chainladder, in the same environment
	$(call peer,chainladder,CHAINLADDER_PYTHON,reserving)

bench-score: ## Measure one claim scored with its reasons, against the two milliseconds it may take
	@$(CARGO) bench --quiet --package actuarial-models --bench score

bench-trees: ## Measure boosted trees against LightGBM at equal deviance, in the same environment
	$(call peer,lightgbm,LIGHTGBM_PYTHON,trees)

lint: ## Check format, lints, layering and tidiness
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) xtask layering
	$(CARGO) xtask tidy

fmt: ## Format the code
	$(CARGO) fmt --all

sqlx: setup ## Regenerate .sqlx after changing a statement or a migration
	$(CARGO) xtask sqlx

openapi: build ## Regenerate openapi/ after changing an endpoint
	@$(BIN) openapi

setup: ## Install what is missing: PostgreSQL server binaries, a C compiler
	@deploy/setup.sh

build:
	$(CARGO) build --workspace --bin commonwheel --test program

dist: ## Build the program that is installed and measured, optimised for its busiest ways: takes long
	@deploy/dist.sh

profile: setup ## Watch the program under load anew, for deploy/profile, which `make dist` goes by: takes as long
	@deploy/profile.sh

clean-data: ## Remove the data of the local platform and of the development database
	rm -rf data

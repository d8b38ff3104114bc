# The commands of this project; `make` alone lists them. What they do is in scripts/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run dev test e2e check fmt queries audit sbom fuzz odoo odoo-stop release bench soak setup clean

# Queries are checked against .sqlx/, so that a build needs no database.
export SQLX_OFFLINE ?= true

# Settings of the bridge may stand in .env; .env.example lists them.
with_env := set -a; if [ -f .env ]; then . ./.env; fi; set +a;

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: target/release/odoo-bridge ## install what is missing, build the release, serve it on port 3000
	@$(with_env) exec target/release/odoo-bridge serve

dev: ## serve a debug build on port 3000, and build and start it anew after each change
	@scripts/setup.sh run
	@$(with_env) exec scripts/dev.sh

test: ## every test: unit, integration, browser, real Odoo 19
	@scripts/test.sh

e2e: ## the browser tests alone, against the release binary
	@scripts/test.sh e2e

check: ## format, clippy for both halves, documentation, architecture, queries, dependencies, alert rules
	@scripts/check.sh

fmt: ## format the code
	@cargo fmt

queries: ## write .sqlx/ anew, after a change of a query or a migration
	@scripts/sqlx-prepare.sh

audit: ## look dependencies up among known vulnerabilities (reads a list on GitHub)
	@scripts/setup.sh cargo-deny
	@PATH="$$PATH:$${BRIDGE_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/odoo-bridge}/cargo-deny/bin"; cargo deny check advisories && \
		cargo deny --manifest-path fuzz/Cargo.toml --config deny.toml check advisories

sbom: ## write what the binary is made of to target/sbom.cdx.json (CycloneDX)
	@scripts/sbom.sh

fuzz: ## fuzz what reads foreign bytes, each target for FUZZ_SECS (60)
	@scripts/fuzz.sh

odoo: ## start a real Odoo 19 with demo data, and tell how to point the bridge at it
	@scripts/odoo.sh start
	@echo "Odoo runs. Put these lines into .env, then: make run"
	@scripts/odoo.sh env

odoo-stop: ## stop that Odoo; its data stay
	@scripts/odoo.sh stop

release: target/dist/odoo-bridge ## build the one binary that is deployed
	@du -h --apparent-size $< | awk '{ print "The whole product is " $$2 " (" $$1 ")." }'

# Always asked: cargo and build-site.sh know themselves what is up to date.
.PHONY: target/release/odoo-bridge target/dist/odoo-bridge
target/dist/odoo-bridge:
	@scripts/setup.sh run
	@scripts/build-site.sh release
	@cargo build --profile dist --bin odoo-bridge

target/release/odoo-bridge:
	@scripts/setup.sh run
	@scripts/build-site.sh release
	@cargo build --release --bin odoo-bridge

bench: target/dist/odoo-bridge ## every figure of docs/performance.md; QUICK=1 for a short run
	@scripts/bench.sh

soak: target/release/odoo-bridge ## a loaded bridge that some misuse: memory, descriptors, calls of others; SOAK_SECS=600 a part
	@scripts/setup.sh test
	@BRIDGE_BIN=$(CURDIR)/target/release/odoo-bridge DATABASE_URL=$$(scripts/test-postgres.sh start) \
		SOAK_SECS=$${SOAK_SECS:-600} cargo test --test it soak::those -- --nocapture

setup: ## install all that the other commands need
	@scripts/setup.sh run test wasm-bindgen cargo-deny cargo-sbom cargo-fuzz promtool

clean: ## remove what was built; a test PostgreSQL is stopped, tools in ~/.cache stay
	@scripts/test-postgres.sh stop
	@cargo clean
	@rm -rf fuzz/target fuzz/corpus fuzz/artifacts
	@rm -rf scripts/node_modules end2end/node_modules end2end/test-results end2end/playwright-report

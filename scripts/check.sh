#!/usr/bin/env bash
# Everything that can be said about the code without running it: scripts/check.sh
# All steps run, even after one has failed. What it needs is installed first.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

scripts/setup.sh postgres wasm cargo-deny
find_wasm_toolchain
export SQLX_OFFLINE=true
mkdir -p target/site # the server embeds it, and is compiled here without what is in it

pg_was_running=$(scripts/test-postgres.sh url 2>/dev/null) || true
trap '[ -n "$pg_was_running" ] || scripts/test-postgres.sh stop' EXIT

step "format" cargo fmt --check
step "clippy server" cargo clippy --all-targets -- -D warnings
step "clippy browser" front_cargo clippy --lib --target $WASM_TARGET --target-dir target/front \
  --no-default-features --features hydrate -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
step "architecture" cargo test --test architecture
step "queries" scripts/sqlx-prepare.sh --check
deny=$(command -v cargo-deny || echo "$CACHE/cargo-deny/bin/cargo-deny")
# Advisories need GitHub, so they are a command of their own: make audit
step "licences and sources of dependencies" "$deny" --all-features check bans licenses sources
if have shellcheck; then step "shell scripts" shellcheck -x -S warning scripts/*.sh .ci/run
else say "shell scripts: skipped, shellcheck is not installed"; fi
report_steps

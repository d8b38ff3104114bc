#!/usr/bin/env bash
# Everything that can be said about the code without running it: scripts/check.sh
# All steps run, even after one has failed. What it needs is installed first.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# Each PromQL expression of the dashboard as a rule, with its variables filled in: promtool reads rules.
# A JSON text is a YAML text.
check_dashboard() {
  local rules
  rules=$(mktemp)
  {
    echo "groups: [{ name: dashboard, rules: ["
    sed -n 's/^ *"expr": \(".*"\),*$/\1/p' deploy/grafana/odoo-bridge.json |
      sed 's/\$job/odoo-bridge/g; s/\$__rate_interval/5m/g' |
      awk '{ print "  { record: \"dashboard:query" NR "\", expr: " $0 " }," }'
    echo "]}]"
  } >"$rules"
  [ "$(grep -c record "$rules")" = "$(grep -c '"expr"' deploy/grafana/odoo-bridge.json)" ] &&
    "$promtool" check rules "$rules"
  local result=$?
  rm -f "$rules"
  return $result
}

scripts/setup.sh postgres wasm cargo-deny promtool
find_wasm_toolchain
export SQLX_OFFLINE=true
mkdir -p target/site target/logs # the server embeds it, and is compiled here without what is in it

pg_was_running=$(scripts/test-postgres.sh url 2>/dev/null) || true
trap '[ -n "$pg_was_running" ] || scripts/test-postgres.sh stop' EXIT

step "format" cargo fmt --check
step "format of the fuzz targets" cargo fmt --check --manifest-path fuzz/Cargo.toml
step "clippy server" cargo clippy --all-targets -- -D warnings
step "clippy browser" front_cargo clippy --lib --target $WASM_TARGET --target-dir target/front \
  --no-default-features --features hydrate -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
step "architecture" cargo test --test architecture
step "queries" scripts/sqlx-prepare.sh --check
deny=$(command -v cargo-deny || echo "$CACHE/cargo-deny/bin/cargo-deny")
step "licences and sources of dependencies" "$deny" --all-features check bans licenses sources
step "licences and sources of the fuzz targets" "$deny" --manifest-path fuzz/Cargo.toml --config deny.toml \
  check -A license-not-encountered -A license-exception-not-encountered bans licenses sources
# The list of known vulnerabilities is on GitHub. Without it nothing is known, which is no failure of the
# code, and no success either.
if timeout 120 "$deny" fetch db >target/logs/advisories.log 2>&1 </dev/null; then
  step "known vulnerabilities" "$deny" --all-features check --disable-fetch advisories
  step "known vulnerabilities of the fuzz targets" "$deny" --manifest-path fuzz/Cargo.toml --config deny.toml \
    check --disable-fetch advisories
else
  advisories_unseen="NOT LOOKED AT: known vulnerabilities of the dependencies (the list can't be reached, see target/logs/advisories.log). Run: make audit"
  say "$advisories_unseen"
fi
promtool=$(command -v promtool || echo "$CACHE/promtool")
step "alert rules" "$promtool" test rules deploy/prometheus/alerts.test.yml
step "queries of the dashboard" check_dashboard
step "bill of materials" scripts/sbom.sh
if have shellcheck; then step "shell scripts" shellcheck -x -S warning scripts/*.sh .ci/run
else say "shell scripts: skipped, shellcheck is not installed"; fi
# Once more, where it is read.
[ -z "${advisories_unseen:-}" ] || say "$advisories_unseen"
report_steps

#!/usr/bin/env bash
# Runs the tests, and ends with "N passed, N failed": scripts/test.sh [rust] [odoo] [e2e]   (default: all three)
#   rust   unit, architecture and integration tests, on a throwaway PostgreSQL
#   odoo   the suite that talks to a real Odoo 19
#   e2e    the release binary in a browser; FILE.spec.ts or other words for Playwright in PLAYWRIGHT_ARGS
# What a suite needs is installed and started first, and what was started here is stopped at the end.
# All suites run, even after one has failed; their output is kept in target/logs.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

[ $# -gt 0 ] || set -- rust odoo e2e
for suite in "$@"; do
  case $suite in rust | odoo | e2e) ;; *) die "no such suite: $suite" "scripts/test.sh [rust] [odoo] [e2e]" ;; esac
done
wants() { [[ " $suites " == *" $1 "* ]]; }
suites=$*
export SQLX_OFFLINE=true

rm -f target/logs/step-* target/logs/test-counts
# Whatever bridges under test log, in every detail; looked through at the end.
export BRIDGE_TEST_LOGS=$ROOT/target/logs/bridges
rm -rf "$BRIDGE_TEST_LOGS"
mkdir -p "$BRIDGE_TEST_LOGS"
scripts/setup.sh postgres redis python
wants e2e && scripts/setup.sh chromium end2end
scripts/setup.sh npm

odoo_was_running=yes
pg_was_running=$(scripts/test-postgres.sh url 2>/dev/null) || true
odoo_job=
clean_up() {
  if [ -n "$odoo_job" ]; then wait "$odoo_job" || true; fi
  [ -n "$odoo_was_running" ] || scripts/odoo.sh stop
  [ -n "$pg_was_running" ] || scripts/test-postgres.sh stop
}
trap clean_up EXIT
if wants odoo || wants e2e; then
  # Mostly downloading and waiting: it goes on beside the compiler.
  scripts/odoo.sh status 2>/dev/null || odoo_was_running=
  scripts/odoo.sh start </dev/null &
  odoo_job=$!
fi
DATABASE_URL=$(scripts/test-postgres.sh start)
export DATABASE_URL

scripts/setup.sh wasm
step "site" scripts/build-site.sh release

# Every file or folder of tests/ is a test program; the one named odoo needs a real Odoo.
programs=()
for path in tests/*.rs tests/*/main.rs; do
  [ -e "$path" ] || continue
  name=${path#tests/}
  name=${name%/main.rs}
  name=${name%.rs}
  [ "$name" = odoo ] || programs+=(--test "$name")
done

if wants rust; then
  step "programs of the tests" cargo test --no-run --lib --bins "${programs[@]}"
  step "unit and integration" within 20 cargo test --no-fail-fast --lib --bins "${programs[@]}"
  step "examples in the documentation" cargo test --doc
fi
if wants e2e; then step "release" cargo build --release --bin odoo-bridge; fi

if [ -n "$odoo_job" ]; then
  say "waiting for Odoo"
  if wait "$odoo_job"; then
    while IFS='=' read -r name value; do export "TEST_$name=$value"; done < <(scripts/odoo.sh env)
  else
    FAILED_STEPS+=("starting Odoo")
  fi
  odoo_job=
fi
if wants odoo; then step "real odoo" within 15 cargo test --no-fail-fast --test odoo; fi
if wants e2e; then
  # Each bridge under test gets a database of its own in that server.
  # shellcheck disable=SC2086  # several words on purpose
  step "e2e" within 20 env -u DATABASE_URL TEST_DATABASE_URL="$DATABASE_URL" BRIDGE_BIN="$ROOT/target/release/odoo-bridge" CHROMIUM="${CHROMIUM:-$(command -v chromium)}" \
    npm test --prefix end2end -- ${PLAYWRIGHT_ARGS:-}
fi

step "secrets in logs" scripts/leaks.sh "$BRIDGE_TEST_LOGS"

# cargo:       test result: ok. 12 passed; 0 failed; 1 ignored; ...
# Playwright:    12 passed (30.1s)      1 failed      2 did not run
# node --test: # pass 3   # fail 0
counts=$(sed 's/\x1b\[[0-9;]*m//g' target/logs/step-*.log | awk -v broken=${#FAILED_STEPS[@]} '
  /^test result: / { passed += $4; failed += $6 }
  /^ +[0-9]+ passed( |$)/ { passed += $1 }
  /^ +[0-9]+ (failed|interrupted|did not run)( |$)/ { failed += $1 }
  /^(#|ℹ) pass [0-9]+$/ { passed += $3 }
  /^(#|ℹ) fail [0-9]+$/ { failed += $3 }
  # A suite that broke before it could count is a failure too.
  END { if (failed < broken) failed = broken; print passed + 0 " passed, " failed + 0 " failed" }')
echo "$counts" >target/logs/test-counts
report_steps || true
echo "$counts"
[[ $counts == *" 0 failed" ]]

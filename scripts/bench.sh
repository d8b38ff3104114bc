#!/usr/bin/env bash
# Measures everything that docs/performance.md tells: scripts/bench.sh [--strict]
# What it needs is installed and started first, and what was started here is stopped at the end.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
scripts/setup.sh postgres python bench
odoo_was_running=yes
scripts/odoo.sh status 2>/dev/null || odoo_was_running=
pg_was_running=$(scripts/test-postgres.sh url 2>/dev/null) || true
clean_up() {
  [ -n "$odoo_was_running" ] || scripts/odoo.sh stop
  [ -n "$pg_was_running" ] || scripts/test-postgres.sh stop
}
trap clean_up EXIT
if [[ ${BENCH_PARTS:-odoo} == *odoo* ]]; then
  scripts/odoo.sh start
  while IFS='=' read -r name value; do export "TEST_$name=$value"; done < <(scripts/odoo.sh env)
fi
BENCH_DATABASE_URL=$(scripts/test-postgres.sh start)
export BENCH_DATABASE_URL
node benches/run.mjs "$@"

#!/usr/bin/env bash
# A throwaway PostgreSQL for the tests, in target/test-postgres: scripts/test-postgres.sh start|stop|url|psql
#   start   makes it if need be, starts it and prints its DATABASE_URL
#   stop    ends it and throws its data away
#   url     prints its DATABASE_URL
#   psql    psql with whatever follows, as its superuser
# TEST_POSTGRES_PORT names its port; without that it is the first free one from 15434 on.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=private-postgres.sh
. "$ROOT/scripts/private-postgres.sh"

PG_HOME=$ROOT/target/test-postgres
PG_PORT=${TEST_POSTGRES_PORT:-15434}
PG_PORT_LAST=${TEST_POSTGRES_PORT:-15453}
PG_PORT_HINT="set TEST_POSTGRES_PORT"
PG_SUPERUSER=postgres

case ${1:-} in
  start) pg_start; pg_url ;;
  stop) pg_stop; rm -rf "$PG_HOME" ;;
  url | psql)
    mkdir -p "$PG_HOME"
    pick_run_user "$PG_HOME"
    find_postgres
    pg_running || die "the test PostgreSQL does not run" "scripts/test-postgres.sh start"
    PG_PORT=$(sed -n 4p "$PG_HOME/data/postmaster.pid")
    if [ "$1" = url ]; then pg_url; else shift; pg_psql "$@"; fi
    ;;
  *) die "usage: scripts/test-postgres.sh start|stop|url|psql" ;;
esac

#!/usr/bin/env bash
# Writes .sqlx/, by which queries are checked where there is no database: scripts/sqlx-prepare.sh [--check]
#   --check   changes nothing; fails if .sqlx/ is not what the queries and migrations make of it
# Run it after every change of a query or a migration, and commit .sqlx/.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

case ${1:-} in
  '' | --check) ;;
  *) die "usage: scripts/sqlx-prepare.sh [--check]" ;;
esac

server=$(scripts/test-postgres.sh start)
database=sqlx_prepare_$$
new=$ROOT/target/sqlx-prepare
psql() { scripts/test-postgres.sh psql "$@"; }
trap 'psql -d postgres -c "DROP DATABASE IF EXISTS $database WITH (FORCE)"' EXIT
psql -d postgres -c "CREATE DATABASE $database"
for migration in migrations/*.sql; do psql -d "$database" <"$migration" >/dev/null; done

# The query macros write while they expand, so the crate has to be compiled anew. All of this package's
# targets are: a query may stand in a test as well.
rm -rf "$new"
mkdir -p "$new"
find src tests benches -name '*.rs' -path '*' \( -path src/lib.rs -o -path src/main.rs -o -path 'tests/*' -o -path 'benches/*' \) -exec touch {} +
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$new DATABASE_URL=${server%/*}/$database cargo check --all-targets

if [ "${1:-}" = --check ]; then
  diff -r .sqlx "$new" >&2 || die ".sqlx/ is out of date" "scripts/sqlx-prepare.sh, and commit .sqlx/"
  say "the $(find .sqlx -name 'query-*.json' | wc -l) queries in .sqlx/ are up to date"
else
  rm -rf .sqlx
  mv "$new" .sqlx
  say "wrote $(find .sqlx -name 'query-*.json' | wc -l) queries to .sqlx/"
fi

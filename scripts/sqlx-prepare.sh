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

was_running=$(scripts/test-postgres.sh url 2>/dev/null) || true
server=$(scripts/test-postgres.sh start)
database=sqlx_prepare_$$
new=$ROOT/target/sqlx-prepare.$$
psql() { scripts/test-postgres.sh psql "$@"; }
clean_up() {
  rm -rf "$new"
  if [ -n "$was_running" ]; then psql -d postgres -c "DROP DATABASE IF EXISTS $database WITH (FORCE)"
  else scripts/test-postgres.sh stop; fi
}
trap clean_up EXIT
psql -d postgres -c "CREATE DATABASE $database"
for migration in migrations/*.sql; do psql -d "$database" <"$migration" >/dev/null; done

# The query macros write while they expand, so every target of the package has to be compiled anew.
mkdir -p "$new"
touch src/lib.rs src/main.rs
for folder in tests benches; do [ ! -d $folder ] || find $folder -name '*.rs' -exec touch {} +; done
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$new DATABASE_URL=${server%/*}/$database cargo check --all-targets
compgen -G "$new/query-*.json" >/dev/null ||
  die "no query was compiled: another cargo was quicker, with another database" "run scripts/sqlx-prepare.sh again"

if [ "${1:-}" = --check ]; then
  diff -r .sqlx "$new" >&2 || die ".sqlx/ is out of date" "scripts/sqlx-prepare.sh, and commit .sqlx/"
  say "the $(find .sqlx -name 'query-*.json' | wc -l) queries in .sqlx/ are up to date"
else
  rm -rf .sqlx
  mv "$new" .sqlx
  say "wrote $(find .sqlx -name 'query-*.json' | wc -l) queries to .sqlx/"
fi

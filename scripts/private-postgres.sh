# A PostgreSQL of our own for tests: on loopback, with a random password, quick and not durable.
# Sourced, after lib.sh. The caller sets
#   PG_HOME       where all of it lives
#   PG_PORT       where it listens
#   PG_SUPERUSER  the role that may do everything
#   PG_PORT_LAST  if that port is taken, the next free one up to this will do (unset: none will)
# shellcheck shell=bash

# PostgreSQL refuses to run as root. As root, commands go through RUN_AS to someone else.
RUN_AS=()
RUN_OWNER=
pick_run_user() { # pick_run_user FOLDER: it must be able to reach FOLDER
  [ "$(id -u)" = 0 ] || return 0
  local user=nobody
  if id postgres >/dev/null 2>&1; then user=postgres; fi
  RUN_OWNER=$user:$(id -gn "$user")
  RUN_AS=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
  if "${RUN_AS[@]}" test -x "$1"; then return; fi
  # Root's home is closed to others. One capability lets this user read through it, and write nothing.
  RUN_AS+=(--inh-caps +dac_read_search --ambient-caps +dac_read_search --securebits +no_setuid_fixup)
  "${RUN_AS[@]}" test -x "$1" 2>/dev/null || die "the user $user cannot reach $1" "put it in a folder that others may enter"
}
own() { [ -z "$RUN_OWNER" ] || chown "$RUN_OWNER" "$@"; }
# A clean environment, from a folder that everyone can enter.
as_run_user() { (cd / && exec "${RUN_AS[@]}" env -i PATH="$PATH" LANG=C.UTF-8 HOME="$PG_HOME" "$@"); }

find_postgres() {
  local dir
  for dir in ${PG_BIN:-} $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(command -v initdb || echo /)")"; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ]; then PG_BIN=$dir; return; fi
  done
  die "PostgreSQL's server programs were not found" "scripts/setup.sh postgres"
}

pg_url() { printf 'postgres://%s:%s@127.0.0.1:%s/%s\n' "$PG_SUPERUSER" "$(cat "$PG_HOME/password")" "$PG_PORT" "${1:-postgres}"; }
# The password goes by the environment, where other users cannot read it.
pg_psql() { PGPASSWORD=$(cat "$PG_HOME/password") "$PG_BIN/psql" -h 127.0.0.1 -p "$PG_PORT" -U "$PG_SUPERUSER" -qAtX -v ON_ERROR_STOP=1 "$@"; }
pg_running() { [ -d "$PG_HOME/data" ] && as_run_user "$PG_BIN/pg_ctl" -D "$PG_HOME/data" status >/dev/null 2>&1; }

pg_start() {
  mkdir -p "$PG_HOME"
  pick_run_user "$PG_HOME"
  find_postgres
  if pg_running; then
    PG_PORT=$(sed -n 4p "$PG_HOME/data/postmaster.pid")
    return
  fi
  while ! port_free "$PG_PORT" && [ "$PG_PORT" -lt "${PG_PORT_LAST:-0}" ]; do PG_PORT=$((PG_PORT + 1)); done
  port_free "$PG_PORT" || die "port $PG_PORT is taken by another program" "${PG_PORT_HINT:-choose another port}"
  if [ ! -e "$PG_HOME/initialised" ]; then
    rm -rf "$PG_HOME/data"
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$PG_HOME/password" && mkdir "$PG_HOME/data")
    touch "$PG_HOME/server.log"
    own "$PG_HOME/data" "$PG_HOME/password" "$PG_HOME/server.log"
    quietly "$PG_HOME/initdb.log" "remove $PG_HOME and try again" as_run_user "$PG_BIN/initdb" -D "$PG_HOME/data" \
      -U "$PG_SUPERUSER" -A password --pwfile="$PG_HOME/password" -E UTF8 --locale=C.UTF-8 --no-sync
    touch "$PG_HOME/initialised"
  fi
  local options="-p $PG_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
  options+=" -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=256MB"
  quietly "$PG_HOME/start.log" "see $PG_HOME/server.log" as_run_user "$PG_BIN/pg_ctl" -D "$PG_HOME/data" -s -w -t 60 \
    -l "$PG_HOME/server.log" -o "$options" start
}

pg_stop() {
  [ -d "$PG_HOME" ] || return 0
  pick_run_user "$PG_HOME"
  find_postgres
  if pg_running; then as_run_user "$PG_BIN/pg_ctl" -D "$PG_HOME/data" -s -w -m fast stop >&2; fi
}

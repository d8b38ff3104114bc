#!/usr/bin/env bash
# A real Odoo 19 with demo data, on loopback: scripts/odoo.sh start|stop|status|env
#   start    installs, makes and starts what is missing, and waits until Odoo answers
#   stop     ends Odoo and its PostgreSQL; the data stay (remove $ODOO_HOME to begin anew)
#   status   exit 0 only if Odoo answers
#   env      prints ODOO_URL, ODOO_DB, ODOO_USERNAME, ODOO_PASSWORD and ODOO_API_KEY, one a line
# Users: admin/admin, and with fewer rights demo/demo and portal/portal.
# Settings: ODOO_HOME (~/.cache/odoo-bridge/odoo-19), ODOO_PORT, ODOO_GEVENT_PORT, ODOO_PG_PORT.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=private-postgres.sh
. "$ROOT/scripts/private-postgres.sh"

ODOO_HOME=${ODOO_HOME:-$CACHE/odoo-19}
port=${ODOO_PORT:-18069}
gevent_port=${ODOO_GEVENT_PORT:-18072}
database=odoo

PG_HOME=$ODOO_HOME/postgres
PG_PORT=${ODOO_PG_PORT:-15433}
PG_PORT_HINT="set ODOO_PG_PORT"
PG_SUPERUSER=odoo # Odoo refuses the name postgres

program=$ODOO_HOME/program
libraries=$program/usr/lib/python3/dist-packages
python=$ODOO_HOME/venv/bin/python
state=$ODOO_HOME/state # the one folder that Odoo writes to
config=$ODOO_HOME/odoo.conf
logs=$ODOO_HOME/logs

answers() { http_get "http://127.0.0.1:$port/web/health?db_server_status=1" | grep -q '"pass"'; }
http_get() { /usr/bin/python3 -c 'import sys, urllib.request as u
print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=5).read().decode())' "$1" 2>/dev/null; }

# The process in odoo.pid, if it is alive and really ours.
odoo_pid() {
  local pid
  pid=$(cat "$ODOO_HOME/odoo.pid" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$config" && echo "$pid"
}

# Odoo 19 is a package of Debian's unstable suite. It is unpacked, never installed, by an apt that reads
# no other source and leaves the machine's own lists alone; the mirror is the one this machine uses.
install_program() {
  [ ! -e "$program/.complete" ] || return 0
  local apt=$ODOO_HOME/apt release mirror key=/usr/share/keyrings/debian-archive-keyring.gpg signed=
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  # shellcheck disable=SC2016  # the names are apt's, not the shell's
  mirror=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v release="$release" '$1 == release && $2 == "main" && !found { found = $3 } END { print found }')
  [ -n "$mirror" ] || die "apt knows no mirror for Debian $release" "apt-get update"
  say "downloading and unpacking Odoo 19 (130 MB, 1.2 GB unpacked)"
  rm -rf "$apt" "$program"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$program"
  [ ! -r $key ] || signed="[signed-by=$key] "
  echo "deb ${signed}${mirror} sid main" >"$apt/sources.list"
  local -a get=(apt-get -q -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache"
    -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::Check-Valid-Until=false # a mirror that lags does for tests; signatures are checked all the same
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
  quietly "$logs/apt.log" "check the network, then try again" "${get[@]}" update
  (cd "$apt" && quietly "$logs/apt.log" "check the network, then try again" "${get[@]}" download \
    odoo-19 libjs-jquery libjs-jquery-form libjs-underscore fonts-montserrat fonts-roboto-unhinted)
  local deb
  for deb in "$apt"/*.deb; do dpkg-deb -x "$deb" "$program"; done
  rm -rf "$apt"
  touch "$program/.complete"
}

install_python_packages() {
  local stamp=$ODOO_HOME/venv/.installed want requirements=$ROOT/scripts/odoo-requirements.txt
  want=$(/usr/bin/python3 --version && sha256sum <"$requirements")
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  say "installing Odoo's Python packages"
  quietly "$logs/venv.log" "scripts/setup.sh python" /usr/bin/python3 -m venv --clear "$ODOO_HOME/venv"
  quietly "$logs/pip.log" "check the network, then try again" "$python" -m pip install --prefer-binary -r "$requirements"
  echo "$want" >"$stamp"
}

# No cron jobs: they would change data under the tests, and call outside.
write_config() {
  (umask 077 && cat >"$config" <<CONFIG)
[options]
addons_path = $libraries/odoo/addons
data_dir = $state
db_host = 127.0.0.1
db_port = $PG_PORT
db_user = $PG_SUPERUSER
db_password = $(cat "$PG_HOME/password")
db_name = $database
db_maxconn = 16
list_db = False
http_interface = 127.0.0.1
http_port = $port
gevent_port = $gevent_port
workers = 2
max_cron_threads = 0
with_demo = True
CONFIG
  own "$config"
}

odoo() {
  as_run_user HOME="$state" PYTHONPATH="$libraries" PYTHONPYCACHEPREFIX="$state/pycache" \
    "$python" "$program/usr/bin/odoo" "$@"
}

make_database() {
  [ ! -s "$ODOO_HOME/api-key" ] || return 0
  say "creating the database with Sales and demo data (a minute or two)"
  PGOPTIONS='-c client_min_messages=warning' pg_psql -d postgres -c "DROP DATABASE IF EXISTS $database WITH (FORCE)"
  quietly "$logs/database.log" "remove $ODOO_HOME and try again" odoo -c "$config" -d $database \
    -i base,web,sale_management --workers=0 --no-http --stop-after-init
  say "adding orders, and an API key"
  local answer
  answer=$(odoo shell -c "$config" -d $database --no-http <"$ROOT/scripts/odoo-seed.py" 2>"$logs/seed.log") || true
  answer=$(sed -n 's/^KEY \([0-9a-f]\{40\}\)$/\1/p' <<<"$answer")
  if [ -z "$answer" ]; then
    tail -n 25 "$logs/seed.log" >&2
    die "Odoo made no API key (log: $logs/seed.log)" "remove $ODOO_HOME and try again"
  fi
  (umask 077 && echo "$answer" >"$ODOO_HOME/api-key")
}

start_server() {
  local wanted
  for wanted in "$port" "$gevent_port"; do
    port_free "$wanted" || die "port $wanted is taken by another program" "set ODOO_PORT and ODOO_GEVENT_PORT"
  done
  say "starting Odoo on 127.0.0.1:$port"
  # In a session of its own, so that it outlives the terminal; without the lock.
  (cd / && exec setsid "${RUN_AS[@]}" env -i PATH="$PATH" LANG=C.UTF-8 HOME="$state" PYTHONPATH="$libraries" \
    PYTHONPYCACHEPREFIX="$state/pycache" "$python" "$program/usr/bin/odoo" -c "$config" \
    >>"$logs/odoo.log" 2>&1 </dev/null 9>&-) &
  echo $! >"$ODOO_HOME/odoo.pid"
  local deadline=$((SECONDS + 120))
  until answers; do
    if [ $SECONDS -ge $deadline ] || ! kill -0 $! 2>/dev/null; then
      tail -n 25 "$logs/odoo.log" >&2
      die "Odoo does not answer (log: $logs/odoo.log)" "scripts/odoo.sh stop, then start again"
    fi
    sleep 0.3
  done
}

print_env() {
  [ -s "$ODOO_HOME/api-key" ] || die "there is no Odoo in $ODOO_HOME" "scripts/odoo.sh start"
  printf '%s\n' "ODOO_URL=http://127.0.0.1:$(sed -n 's/^http_port = //p' "$config")" "ODOO_DB=$database" \
    ODOO_USERNAME=admin ODOO_PASSWORD=admin "ODOO_API_KEY=$(cat "$ODOO_HOME/api-key")"
}

lock() {
  mkdir -p "$ODOO_HOME" "$logs"
  exec 9>"$ODOO_HOME/lock"
  flock -w 900 9 || die "another start or stop is still going on"
}

start() {
  lock
  if [ -n "$(odoo_pid)" ] && answers; then say "Odoo runs already: $(print_env | head -n1)"; return; fi
  "$ROOT/scripts/setup.sh" postgres python
  mkdir -p "$state/pycache"
  install_program
  install_python_packages
  # Without the lock, that PostgreSQL would hold as long as it lives.
  pg_start 9>&-
  own -R "$state"
  write_config
  make_database
  start_server
  say "ready: $(print_env | head -n1), user admin, password admin"
}

stop() {
  [ -d "$ODOO_HOME" ] || return 0
  lock
  local pid
  pid=$(odoo_pid) || true
  if [ -n "$pid" ]; then
    kill -TERM "$pid"
    local deadline=$((SECONDS + 30))
    while [ -d "/proc/$pid" ]; do
      [ $SECONDS -lt $deadline ] || die "Odoo (process $pid) does not end" "kill -9 $pid"
      sleep 0.2
    done
  fi
  rm -f "$ODOO_HOME/odoo.pid"
  pg_stop
  say "stopped"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) if [ -n "$(odoo_pid)" ] && answers; then say "Odoo answers on 127.0.0.1:$port"; else say "Odoo does not run"; exit 1; fi ;;
  env) print_env ;;
  *) die "usage: scripts/odoo.sh start|stop|status|env" ;;
esac

# What every script here shares; sourced, never run.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Tools that are costly to make are kept here, for every checkout of this user.
CACHE=${BRIDGE_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME must be set}/.cache}/odoo-bridge}
WASM_TARGET=wasm32-unknown-unknown
MIN_RUST_MINOR=94

# say TEXT / die TEXT [REMEDY]: for people, so on standard error, with the seconds since the start.
say() { printf '%s [%d:%02d] %s\n' "${0##*/}" $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2; }
die() {
  say "error: $1"
  [ $# -lt 2 ] || say "remedy: $2"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# quietly LOG REMEDY COMMAND...: the output goes to LOG, and its end is shown if the command fails.
quietly() {
  local log=$1 remedy=$2
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null && return
  tail -n 25 "$log" >&2
  die "failed: $* (all of it: $log)" "$remedy"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else die "root is needed for: $*" "run it as root, or install sudo"; fi
}

# apt_install PACKAGE...: package lists are refreshed only when they turn out to be stale.
apt_install() {
  have apt-get || die "this system has no apt-get" "install these yourself: $*"
  say "installing Debian packages: $*"
  local log=$ROOT/target/logs/apt.log
  local -a install=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
  mkdir -p "$(dirname "$log")"
  as_root "${install[@]}" >"$log" 2>&1 </dev/null && return
  say "refreshing apt's package lists"
  as_root apt-get update >"$log" 2>&1 </dev/null || say "apt-get update was not clean (see $log), trying all the same"
  quietly "$log" "check apt's sources and the network, then run: apt-get install $*" as_root "${install[@]}"
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

rust_minor() { "$@" --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p'; }

# has_wasm COMMAND...: does the rustc that COMMAND runs carry the standard library for WASM?
has_wasm() {
  local dir minor
  minor=$(rust_minor "$@") && [ "${minor:-0}" -ge $MIN_RUST_MINOR ] || return 1
  dir=$("$@" --print target-libdir --target $WASM_TARGET 2>/dev/null) && compgen -G "$dir/libstd-*.rlib" >/dev/null
}

# Sets FRONT_ENV to the environment in which cargo compiles for the browser, or fails.
WASM_PREFIX=$CACHE/wasm-toolchain
FRONT_ENV=()
find_wasm_toolchain() {
  local name
  FRONT_ENV=()
  if has_wasm rustc; then return; fi
  if have rustup; then
    while read -r name _; do
      case $name in nightly*) continue ;; esac
      if has_wasm env RUSTUP_TOOLCHAIN="$name" rustc; then FRONT_ENV=(RUSTUP_TOOLCHAIN="$name"); return; fi
    done < <(rustup toolchain list 2>/dev/null)
  fi
  FRONT_ENV=(PATH="$WASM_PREFIX/bin:$PATH" LD_LIBRARY_PATH="$WASM_PREFIX/lib")
  has_wasm env "${FRONT_ENV[@]}" rustc
}
front_cargo() { env "${FRONT_ENV[@]}" cargo "$@"; }

# locked_version CRATE: its version in Cargo.lock.
locked_version() { sed -n "/^name = \"$1\"\$/{n;s/^version = \"\(.*\)\"/\1/p;q}" "$ROOT/Cargo.lock"; }

# within MINUTES COMMAND...: ends a test run that hangs, and names the tests that did not come back.
within() {
  local minutes=$1 log status
  shift
  log=$(mktemp)
  timeout --kill-after=30 "${minutes}m" "$@" 2>&1 | tee "$log" && status=0 || status=$?
  if [ "$status" = 124 ] || [ "$status" = 137 ]; then
    echo "ended after $minutes minutes; begun and not over:"
    sed -n 's/^test \(.*\) has been running for over 60 seconds$/\1/p' "$log" | while IFS= read -r name; do
      grep -qF "test $name ... " "$log" || echo "  $name"
    done
  fi
  rm -f "$log"
  return "$status"
}

# step NAME COMMAND...: shows the output, keeps it in target/logs, tells the time, and goes on after a failure.
FAILED_STEPS=()
step() {
  local name=$1 begin=$SECONDS
  shift
  mkdir -p "$ROOT/target/logs"
  say "---- $name"
  if "$@" 2>&1 </dev/null | tee "$ROOT/target/logs/step-${name// /-}.log"; then
    say "---- $name: passed in $((SECONDS - begin)) s"
  else
    FAILED_STEPS+=("$name")
    say "---- $name: FAILED after $((SECONDS - begin)) s"
  fi
}
report_steps() {
  [ ${#FAILED_STEPS[@]} -gt 0 ] || return 0
  say "failed: $(printf '%s; ' "${FAILED_STEPS[@]}")see target/logs"
  return 1
}

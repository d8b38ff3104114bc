#!/usr/bin/env bash
# Builds, serves, and does both again after each change of a source file: scripts/dev.sh
# `cargo leptos watch` does it where cargo-leptos is installed; this loop needs nothing but cargo.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

if cargo leptos --version >/dev/null 2>&1 && find_wasm_toolchain && [ ${#FRONT_ENV[@]} = 0 ]; then
  exec cargo leptos watch
fi

server=
stop_server() {
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
}
trap stop_server EXIT
trap 'exit 0' INT TERM

# Times and sizes are enough to notice a change, and cost next to nothing.
fingerprint() { find src style public migrations Cargo.toml Cargo.lock Leptos.toml -type f -printf '%p %s %T@\n' | sort | sha256sum; }

while true; do
  built=$(fingerprint)
  if scripts/build-site.sh dev && cargo build --bin odoo-bridge; then
    stop_server
    target/debug/odoo-bridge serve &
    server=$!
  else
    say "that did not build; the last version that did goes on running"
  fi
  say "waiting for a change"
  while [ "$(fingerprint)" = "$built" ]; do sleep 0.5; done
done

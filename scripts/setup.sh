#!/usr/bin/env bash
# Installs what is missing, and only that: scripts/setup.sh PART...
#   rust          a Rust compiler for this machine, and a C compiler
#   wasm          a Rust toolchain that compiles for the browser
#   wasm-bindgen  the command of that name, of the version in Cargo.lock
#   npm           node, wasm-opt and the CSS bundler
#   postgres      PostgreSQL's server programs; no cluster is made and none is started
#   redis         a Redis or Valkey server, for the tests; none is started
#   python        what a virtual environment for Odoo needs
#   chromium      the browser of the end-to-end tests
#   bench         what benches/run.mjs measures with: nginx, wrk, h2load
#   end2end       what end2end/package-lock.json lists
#   cargo-deny    what judges the dependencies
#   cargo-sbom    what lists them
#   cargo-fuzz    what builds the fuzz targets, and a C++ compiler for libFuzzer
#   promtool      what checks and tries the alert rules, out of Debian's prometheus; no server is installed
#   run, test     all that `make run` or `make test` needs, but for wasm-bindgen, which build-site.sh asks for
# BRIDGE_CACHE says where costly tools are kept (~/.cache/odoo-bridge).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
CARGO_DENY_VERSION=0.20.2
CARGO_SBOM_VERSION=0.10.0
CARGO_FUZZ_VERSION=0.13.2

setup_rust() {
  have cc || apt_install build-essential
  if ! have cargo; then
    apt_install cargo-web rustc-web rust-web-clippy rustfmt-web
    have cargo || die "there is still no cargo" "install Rust 1.$MIN_RUST_MINOR or newer, by rustup for example"
  fi
  local minor
  minor=$(rust_minor rustc)
  [ "${minor:-0}" -ge $MIN_RUST_MINOR ] ||
    die "$(rustc --version 2>&1 | head -n1) is too old: 1.$MIN_RUST_MINOR is needed" "rustup update stable, or remove it and let Debian's cargo-web (security suite) be installed"
}

setup_wasm() {
  setup_rust
  if find_wasm_toolchain; then return; fi
  if have rustup && [ "${RUSTUP_AUTO_INSTALL:-1}" != 0 ]; then
    say "rustup target add $WASM_TARGET"
    if timeout 300 rustup target add $WASM_TARGET >&2 && find_wasm_toolchain; then return; fi
    say "rustup could not add it; making a toolchain from Debian's packages instead"
  fi
  "$ROOT/scripts/wasm-toolchain-from-debian.sh" "$WASM_PREFIX"
  if have rustup; then rustup toolchain link wasm "$WASM_PREFIX"; fi
  find_wasm_toolchain || die "the toolchain in $WASM_PREFIX does not work" "remove $WASM_PREFIX and run scripts/setup.sh wasm again"
}

# cargo_install NAME FOLDER ARGUMENT...: a tool that works for a second or two; the cheapest build is the best one.
cargo_install() {
  local name=$1 dir=$2
  shift 2
  setup_rust
  say "building $name, once for this user (a minute or two)"
  quietly "$ROOT/target/logs/$name.log" "check the network, then run scripts/setup.sh $name again" \
    env CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_STRIP=true \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --root "$dir.new" --target-dir "$ROOT/target/tools" "$@"
  rm -rf "$dir" "$ROOT/target/tools"
  mv "$dir.new" "$dir"
}

setup_wasm_bindgen() {
  local version dir
  version=$(locked_version wasm-bindgen)
  dir=$CACHE/wasm-bindgen-$version
  if [ -x "$dir/bin/wasm-bindgen" ] || [ "$(wasm-bindgen --version 2>/dev/null)" = "wasm-bindgen $version" ]; then return; fi
  cargo_install wasm-bindgen "$dir" wasm-bindgen-cli --version "=$version" --no-default-features --bin wasm-bindgen
}

setup_cargo_deny() {
  if have cargo-deny || [ -x "$CACHE/cargo-deny/bin/cargo-deny" ]; then return; fi
  cargo_install cargo-deny "$CACHE/cargo-deny" cargo-deny --version "=$CARGO_DENY_VERSION" --locked
}

setup_cargo_sbom() {
  if have cargo-sbom || [ -x "$CACHE/cargo-sbom/bin/cargo-sbom" ]; then return; fi
  cargo_install cargo-sbom "$CACHE/cargo-sbom" cargo-sbom --version "=$CARGO_SBOM_VERSION" --locked
}

setup_cargo_fuzz() {
  have c++ || apt_install g++
  if have cargo-fuzz || [ -x "$CACHE/cargo-fuzz/bin/cargo-fuzz" ]; then return; fi
  cargo_install cargo-fuzz "$CACHE/cargo-fuzz" cargo-fuzz --version "=$CARGO_FUZZ_VERSION" --locked
}

setup_node() {
  if ! have node; then apt_install nodejs npm; elif ! have npm; then apt_install npm; fi
  [ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || die "node $(node --version) is too old" "install Node.js 18 or newer"
}

# npm_ci FOLDER: does nothing while the lock file is the one last installed.
npm_ci() {
  local stamp=$1/node_modules/.installed want
  want=$(sha256sum <"$1/package-lock.json")
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  say "npm ci in ${1#"$ROOT"/}"
  quietly "$ROOT/target/logs/npm-${1##*/}.log" "check the network, then run: npm ci --prefix $1" \
    env PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix "$1" --no-audit --no-fund
  echo "$want" >"$stamp"
}
setup_npm() { setup_node; npm_ci "$ROOT/scripts"; }
setup_end2end() { setup_node; npm_ci "$ROOT/end2end"; }

setup_postgres() {
  if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb; then return; fi
  apt_install postgresql-common
  # Debian's package makes and starts a cluster of its own unless this file forbids it.
  local conf=/etc/postgresql-common/createcluster.conf saved
  saved=$(cat $conf)
  printf '%s\n' "$saved" 'create_main_cluster = false' | as_root tee $conf >/dev/null
  ( apt_install postgresql ) || saved+=$'\n#failed'
  printf '%s\n' "${saved%$'\n#failed'}" | as_root tee $conf >/dev/null
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
    die "PostgreSQL's server programs are still missing" "apt-get install postgresql"
}

setup_promtool() {
  have promtool || [ -x "$CACHE/promtool" ] && return
  local work
  work=$(mktemp -d)
  (cd "$work" && { apt-get download prometheus || { as_root apt-get update && apt-get download prometheus; }; }) >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log" >&2; die "Debian's package prometheus can't be downloaded" "check apt's sources and the network"; }
  dpkg -x "$work"/prometheus_*.deb "$work/files"
  mkdir -p "$CACHE"
  mv "$work/files/usr/bin/promtool" "$CACHE/promtool"
  rm -rf "$work"
}

setup_redis() {
  # Debian's package would start a server of its own.
  have valkey-server || have redis-server || RUNLEVEL=1 apt_install redis-server
}

setup_python() {
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || apt_install python3 python3-venv
}

setup_bench() {
  setup_node
  local -a missing=()
  [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
  have wrk || missing+=(wrk)
  have h2load || missing+=(nghttp2-client)
  have psql || missing+=(postgresql-client)
  # Debian's package would start a server of its own.
  [ ${#missing[@]} = 0 ] || RUNLEVEL=1 apt_install "${missing[@]}"
}

setup_chromium() {
  [ -n "${CHROMIUM:-}" ] && [ -x "$CHROMIUM" ] || have chromium || apt_install chromium fonts-liberation
}

[ $# -gt 0 ] || die "say what to install" "one of: rust wasm wasm-bindgen npm postgres redis python chromium end2end cargo-deny cargo-sbom cargo-fuzz promtool run test"
for part in "$@"; do
  case $part in
    rust | wasm | postgres | redis | promtool | python | bench | chromium | npm | end2end) "setup_$part" ;;
    wasm-bindgen) setup_wasm_bindgen ;;
    cargo-deny) setup_cargo_deny ;;
    cargo-sbom) setup_cargo_sbom ;;
    cargo-fuzz) setup_cargo_fuzz ;;
    run) setup_postgres; setup_npm; setup_wasm ;;
    test) setup_postgres; setup_redis; setup_python; setup_chromium; setup_npm; setup_end2end; setup_wasm ;;
    *) die "unknown part: $part" "see the head of scripts/setup.sh" ;;
  esac
done

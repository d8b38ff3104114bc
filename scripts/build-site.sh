#!/usr/bin/env bash
# Builds the browser's half into target/site: scripts/build-site.sh [release|dev]
#   release   small and slow to make (default)
#   dev       quick to make, with the names of functions kept
# The server has these files inside it, so this comes before the server's own build.
# Nothing is written when nothing changed. What it needs: scripts/setup.sh npm wasm
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

mode=${1:-release}
case $mode in
  release) profile=wasm-release folder=wasm-release ;;
  dev) profile=dev folder=debug ;;
  *) die "usage: scripts/build-site.sh [release|dev]" ;;
esac

find_wasm_toolchain || die "no Rust toolchain here compiles for $WASM_TARGET" "scripts/setup.sh wasm"
[ -d scripts/node_modules/binaryen ] || die "npm packages are missing" "scripts/setup.sh npm"
# Where wasm-bindgen is not there yet, it is built beside the pages: the end of their compilation has one thread only.
scripts/setup.sh wasm-bindgen &
wasm_bindgen_job=$!

say "compiling the pages for the browser ($mode)"
# Only the cdylib: with the rlib beside it, every dependency would be compiled to machine code as well.
front_cargo rustc --lib --crate-type cdylib --target $WASM_TARGET --target-dir target/front \
  --no-default-features --features hydrate --profile $profile
wait $wasm_bindgen_job
version=$(locked_version wasm-bindgen)
PATH=$CACHE/wasm-bindgen-$version/bin:$PATH
wasm=target/front/$WASM_TARGET/$folder/odoo_bridge.wasm

inputs() {
  echo "$mode $version"
  find "$wasm" style public scripts/build-site.sh scripts/site-files.mjs scripts/package-lock.json -type f -print0 |
    sort -z | xargs -0 sha256sum
}
want=$(inputs | sha256sum)
if [ "$(cat target/site.inputs 2>/dev/null)" = "$want" ] && [ -d target/site ]; then
  say "target/site is up to date"
  exit
fi

rm -rf target/site.new target/site.inputs
mkdir -p target/site.new/pkg
cp -R public/. target/site.new/
keep=()
[ "$mode" = release ] || keep=(--keep-debug)
say "making JavaScript, CSS and compressed copies"
wasm-bindgen --target web --no-typescript --out-name odoo-bridge --out-dir target/site.new/pkg "${keep[@]}" "$wasm"
if [ "$mode" = release ]; then
  # Debian's wasm-opt is too old for this: its output loads and then dies at the first click.
  # -O2, not -Oz: larger on disk, but 1 % smaller in brotli, which is what goes over the wire (measured);
  # what --gufa finds out in between makes it 0.2 % smaller.
  scripts/node_modules/.bin/wasm-opt -O2 --gufa -O2 --reorder-functions \
    --strip-producers --strip-target-features --enable-bulk-memory --enable-nontrapping-float-to-int \
    target/site.new/pkg/odoo-bridge_bg.wasm -o target/site.new/pkg/odoo-bridge_bg.wasm
fi
node scripts/site-files.mjs "$mode" target/site.new
rm -rf target/site
mv target/site.new target/site
echo "$want" >target/site.inputs

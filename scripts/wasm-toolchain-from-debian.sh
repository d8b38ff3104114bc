#!/usr/bin/env bash
# Makes a Rust toolchain for the browser out of Debian's packages: scripts/wasm-toolchain-from-debian.sh FOLDER
#
# For machines where rustup may not or cannot fetch the target. Debian has a current compiler (rustc-web) and
# the sources of its standard library, but no build of that library for WASM: that is compiled here, once.
# Packages are only unpacked, so nothing on the machine changes outside FOLDER.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# = 1 ] || die "usage: scripts/wasm-toolchain-from-debian.sh FOLDER"
prefix=$1
[ "$(uname -m)" = x86_64 ] && have apt-get && have dpkg-deb ||
  die "this way works on Debian for x86_64 only" "rustup target add $WASM_TARGET"
host=x86_64-unknown-linux-gnu
log=$ROOT/target/logs/wasm-toolchain.log
retry="check the network, then run scripts/setup.sh wasm again"

mkdir -p "$prefix.lock" "$(dirname "$log")"
exec 9<"$prefix.lock"
flock 9
if [ -e "$prefix/.complete" ]; then exit; fi
work=$prefix.new
trap 'rm -rf "$work"' EXIT
rm -rf "$work" "$prefix"
mkdir -p "$work/packages" "$work/tree" "$work/toolchain/bin" "$work/toolchain/lib/rustlib/$host/bin"

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p'; }
# A list of packages that was never fetched, or long ago, does not have the current compiler yet.
look() {
  package=$(candidate rustc-web)
  release=${package%%[+~-]*} # 1.96.0
  minor=${release#1.}
  minor=${minor%%.*}
}
look
if [ "${minor:-0}" -lt $MIN_RUST_MINOR ]; then
  quietly "$log" "$retry" as_root apt-get update
  look
fi
[ "${minor:-0}" -ge $MIN_RUST_MINOR ] ||
  die "Debian offers rustc-web ${package:-not at all}; 1.$MIN_RUST_MINOR is needed" "add the security suite to apt's sources, or use rustup"

llvm=$(apt-cache depends "libstd-rust-web-1.$minor" | sed -n 's/^ *Depends: \(libllvm[0-9]*\)$/\1/p' | head -n1)
packages=(rustc-web "libstd-rust-web-1.$minor" libstd-rust-web-dev rust-web-clippy rust-web-src "$llvm" "lld-${llvm#libllvm}")
say "downloading ${packages[*]} ($release, 140 MB)"
download() (cd "$work/packages" && apt-get -q -o APT::Sandbox::User="$(id -un)" download "${packages[@]}")
if ! download >"$log" 2>&1; then
  quietly "$log" "$retry" as_root apt-get update
  quietly "$log" "$retry" download
fi
for file in "$work"/packages/*.deb; do dpkg-deb -x "$file" "$work/tree"; done

# The layout of a rustup toolchain.
tree=$work/tree/usr
out=$work/toolchain
for name in rustc rustdoc clippy-driver cargo-clippy; do mv "$tree/bin/$name" "$out/bin/"; done
mv "$tree"/lib/x86_64-linux-gnu/{librustc_driver-*.so,libLLVM*.so*} "$out/lib/"
mv "$tree/lib/rustlib/$host/lib" "$out/lib/rustlib/$host/"
mv "$tree/lib/llvm-${llvm#libllvm}/bin/lld" "$out/lib/rustlib/$host/bin/rust-lld"
cargo=$(rustup which cargo 2>/dev/null || command -v cargo)
cp -L "$cargo" "$out/bin/cargo"

export LD_LIBRARY_PATH=$out/lib
if ldd "$out/bin/rustc" "$out"/lib/*.so* "$out/lib/rustlib/$host/bin/rust-lld" 2>/dev/null | grep -q 'not found'; then
  mapfile -t needed < <(apt-cache depends "$llvm" | sed -n 's/^ *Depends: \(lib.*\)/\1/p')
  apt_install "${needed[@]}"
fi

say "compiling the standard library for $WASM_TARGET (about a minute)"
source=$tree/src/rustc-$release/library
flags="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes -Cdebuginfo=0 --remap-path-prefix=$source=/rustc/library --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
# RUSTC_BOOTSTRAP is how the library itself is always compiled; nothing else here uses it.
build_std() (
  cd "$source"
  env -u RUSTUP_TOOLCHAIN -u RUSTC_WRAPPER -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET -u CARGO_ENCODED_RUSTFLAGS \
    RUSTC="$out/bin/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" CARGO_INCREMENTAL=0 __CARGO_DEFAULT_LIB_METADATA=wasm \
    "$out/bin/cargo" build --locked --manifest-path sysroot/Cargo.toml --profile dist \
    --features "panic-unwind backtrace" --target $WASM_TARGET --target-dir "$work/build"
)
quietly "$log" "$retry" build_std
mkdir -p "$out/lib/rustlib/$WASM_TARGET/lib"
cp "$work/build/$WASM_TARGET"/dist/deps/*.rlib "$out/lib/rustlib/$WASM_TARGET/lib/"

cat >"$work/probe.rs" <<'RUST'
#[unsafe(no_mangle)]
pub extern "C" fn probe(n: u32) -> usize {
    (0..n).map(|i| format!("{i}").len()).sum()
}
RUST
quietly "$log" "$retry" "$out/bin/rustc" --edition 2024 --crate-type cdylib -O -C lto=fat --target $WASM_TARGET \
  -o "$work/probe.wasm" "$work/probe.rs"

touch "$out/.complete"
mv "$out" "$prefix"
export LD_LIBRARY_PATH=$prefix/lib
say "ready: $("$prefix/bin/rustc" --version) in $prefix"

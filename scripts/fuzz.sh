#!/usr/bin/env bash
# Fuzzes what reads foreign bytes: scripts/fuzz.sh [TARGET...]   (default: all of fuzz/fuzz_targets)
# FUZZ_SECS says how long each (60 if unset); as many run beside each other as there are cores.
# What ends a run is kept in fuzz/artifacts, and what was learnt in fuzz/corpus; fuzz/seeds is where it begins.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT/fuzz"

"$ROOT/scripts/setup.sh" cargo-fuzz
PATH=$PATH:$CACHE/cargo-fuzz/bin
secs=${FUZZ_SECS:-60}
[ $# -gt 0 ] || mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)
[ $# = 0 ] || targets=("$@")
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_INCREMENTAL=0

# Without a sanitizer: `unsafe` is forbidden in these modules, so that what is looked for is a panic
# or a broken promise, and any stable compiler will do.
say "building the targets"
cargo fuzz build --sanitizer none
programs=$ROOT/fuzz/target/$host/release

# fuzz TARGET: ends with what libFuzzer says.
fuzz() {
  local target=$1 log=$ROOT/target/logs/fuzz-$1.log
  mkdir -p "corpus/$target" "artifacts/$target" "$ROOT/target/logs"
  if "$programs/$target" -max_total_time="$secs" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/" "corpus/$target" "seeds/$target" >"$log" 2>&1; then
    say "$target: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
  else
    tail -n 30 "$log" >&2
    say "$target: FOUND something; see above, and fuzz/artifacts/$target. Make a test of it in the module that it broke."
    return 1
  fi
}

failed=0
for target in "${targets[@]}"; do
  [ -x "$programs/$target" ] || die "there is no target $target" "one of: $(basename -s .rs fuzz_targets/*.rs | tr '\n' ' ')"
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || failed=1; done
  fuzz "$target" &
done
while [ -n "$(jobs -p)" ]; do wait -n || { [ $? = 127 ] && break; failed=1; }; done
exit $failed

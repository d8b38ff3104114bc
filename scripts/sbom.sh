#!/usr/bin/env bash
# Writes what the binary is made of to target/sbom.cdx.json (CycloneDX), and fails if a crate is not in it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

scripts/setup.sh cargo-sbom
sbom=$(command -v cargo-sbom || echo "$CACHE/cargo-sbom/bin/cargo-sbom")
file=target/sbom.cdx.json
mkdir -p target
"$sbom" sbom --output-format cyclone_dx_json_1_6 >"$file"
grep -q '"bomFormat": *"CycloneDX"' "$file" || die "$file is no CycloneDX" "look at what $sbom wrote"
missing=$(cargo tree --edges normal --prefix none --format '{p}' |
  sed -n '1d; s/^\([^ ]*\) v\([^ ]*\).*/\1@\2/p' | sort -u | # the first is the bridge itself
  while read -r crate; do grep -q "pkg:cargo/${crate/+/\\(+\\|%2[Bb]\\)}\"" "$file" || echo "$crate"; done)
[ -z "$missing" ] || die "not in $file: ${missing//$'\n'/ }" "look at what $sbom leaves out"
say "$file lists $(grep -c '"purl"' "$file") packages"

#!/usr/bin/env bash
# Looks for secrets, and for what was said in calls, in logs of bridges: scripts/leaks.sh FOLDER
# What it looks for is in tests/secrets.txt, and in the passwords and keys of the tests' own servers
# (DATABASE_URL, TEST_ODOO_PASSWORD, TEST_ODOO_API_KEY). That it can find each of them is tried first.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ $# = 1 ] || die "say where the logs are" "scripts/leaks.sh FOLDER"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^#' "$ROOT/tests/secrets.txt" | cut -f1 >"$work/patterns"
grep -v '^#' "$ROOT/tests/secrets.txt" | cut -f2 >"$work/examples"
database=$(sed -nE 's,^[a-z]+://[^:@/]+:([^@]+)@.*,\1,p' <<<"${DATABASE_URL:-}")
for secret in "$database" "${TEST_ODOO_PASSWORD:-}" "${TEST_ODOO_API_KEY:-}"; do
  # A shorter one is a word that may be anywhere.
  [ ${#secret} -lt 12 ] || echo "$secret"
done >"$work/words"

# leaks PATH: prints file, line and what is there; fails if there is nothing.
leaks() {
  { grep -raEon -f "$work/patterns" "$1" || true; grep -raFon -f "$work/words" "$1" || true; } | sort -u | cut -c1-200 | grep .
}

mkdir "$work/planted"
while IFS= read -r example; do
  echo "2026-11-24 INFO $example" >"$work/planted/log"
  leaks "$work/planted" >/dev/null || die "the search does not find: $example" "mend its line in tests/secrets.txt"
done < <(cat "$work/examples" "$work/words")

[ -n "$(find "$1" -type f -size +0 -print -quit 2>/dev/null)" ] || die "there are no logs in $1" "run scripts/test.sh"
if leaks "$1" | head -n 40 >&2; then
  die "a secret or a value of a call is in a log (above: file, line, what)" "take it out of what is logged"
fi
say "nothing of $(cat "$work/patterns" "$work/words" | wc -l) secrets and values in $(du -sh "$1" | cut -f1) of logs"

#!/usr/bin/env bash
# Runs every fuzz target of the module, each for FUZZTIME (30s), the next although one fails.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=$(find . -name '*_test.go' -not -path '*/testdata/*' -not -path './.*' -print0 |
	xargs -0 grep -HoE '^func Fuzz[A-Za-z0-9_]+\(' | sed -E 's/^(.*)\/[^/]*:func (Fuzz[A-Za-z0-9_]+)\($/\1 \2/' | sort) || true
[ -n "$targets" ] || { echo "no fuzz target"; exit 0; }

failed=0
while read -r package target; do
	echo "$package $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" "$package" </dev/null || failed=1
done <<<"$targets"
exit "$failed"

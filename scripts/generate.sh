#!/usr/bin/env bash
# Generates what openapi.yaml describes: one run for each */oapi-codegen.yaml. With --check it fails, and shows the
# difference, when what was there before is not what is generated; the new files stay in place.
set -euo pipefail
cd "$(dirname "$0")/.."

generate() {
	local config
	for config in */oapi-codegen.yaml; do
		[ -e "$config" ] || { echo "no oapi-codegen.yaml: nothing to generate"; return; }
		go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config "$config" openapi.yaml
	done
}

# copy_to DIRECTORY copies every generated file there.
copy_to() {
	local file
	mkdir "$1"
	find . -name '*.gen.go' -not -path './.*' | while read -r file; do
		mkdir -p "$1/${file%/*}"
		cp "$file" "$1/$file"
	done
}

case "${1-}" in
"")
	generate
	;;
--check)
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	copy_to "$scratch/before"
	generate
	copy_to "$scratch/generated"
	if ! (cd "$scratch" && git --no-pager diff --no-index --no-prefix before generated); then
		echo "generated code was not current: commit what make generate has made" >&2
		exit 1
	fi
	;;
*)
	echo "usage: $0 [--check]" >&2
	exit 2
	;;
esac

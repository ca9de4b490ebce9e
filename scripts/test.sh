#!/usr/bin/env bash
# Runs every test, with the race detector and on both databases, and holds the coverage to its floors.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/ensure-postgres.sh
scripts/ensure-chromium.sh
export ORCHESTRATOR_TEST_POSTGRES=require

# One set of packages is measured for all, so that each is compiled once. What counts is what the product is made of:
# not its wiring, nor what exists to test and to show it.
profile=coverage.out
go tool -modfile=tools/gotestsum.mod gotestsum --format pkgname --format-hide-empty-pkg --hide-summary skipped -- \
	-race -vet=off -timeout 30m -covermode atomic -coverpkg ./... -coverprofile "$profile" ./...
go run ./tools/coverfloor -profile "$profile" \
	-exclude cmd,tools,internal/archtest,internal/demo,internal/pgtest,internal/sim \
	total=80 internal/rollout=95

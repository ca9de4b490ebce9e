# The project's chores. `make help` lists them; CONTRIBUTING.md says when to use which.

# Say what is missing rather than download another compiler.
export GOTOOLCHAIN ?= local

GOLANGCI_LINT := go tool -modfile=tools/golangci-lint.mod golangci-lint

# Arguments that some targets take, such as make sim SEEDS=100000.
SEEDS ?= 2000
export FUZZTIME ?= 30s
PKG ?= ./...
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help build run generate verify lint test race test-pg ci bench sim fuzz cover

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/orchestrator, static and stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/orchestrator ./cmd/orchestrator

run: ## serve on 127.0.0.1:8080 from orchestrator.db
	go run ./cmd/orchestrator serve

generate: ## generate server and client from openapi.yaml
	scripts/generate.sh

verify: ## all that a look can tell: generated code, modules, format, vet, lint
	scripts/generate.sh --check
	go mod verify
	go mod tidy -diff
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(MAKE) --no-print-directory lint

lint: ## run golangci-lint, on PKG if given
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) run $(PKG)

test: ## run every test: race detector, both databases, browser, coverage floors
	scripts/test.sh

race: ## run the tests of PKG with the race detector and what is installed
	go test -race $(PKG)

test-pg: ## run the storage tests, PostgreSQL required
	scripts/ensure-postgres.sh
	ORCHESTRATOR_TEST_POSTGRES=require go test -race -count=1 ./internal/pgtest/... ./internal/persistence/...

ci: verify test ## all that a change must pass

bench: ## measure the service, PostgreSQL included; arguments in BENCH
	scripts/ensure-postgres.sh
	go run ./tools/bench $(BENCH)

sim: ## simulate SEEDS seeds
	go test ./internal/sim -count=1 -timeout=0 -run=TestSim -seeds=$(SEEDS)

fuzz: ## run every fuzz target for FUZZTIME
	scripts/fuzz.sh

cover: ## write coverage.html of the last make test
	@test -e coverage.out || $(MAKE) --no-print-directory test
	go tool cover -html=coverage.out -o coverage.html

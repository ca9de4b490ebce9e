package archtest

import (
	"slices"
	"strings"
)

// module is the path that all rooms' import paths begin with; the root room has it alone.
const module = "github.com/cirisai/orchestrator"

// library says which modules of others a room may use.
type library int

const (
	anyLibrary   library = iota // all but those of confined
	onlyStandard                // none
	onlyListed                  // those of the row's also
)

// room is one package and what its code, tests aside, may import.
type room struct {
	path     string   // below the module; "." is the root
	enters   []string // rooms it may import
	pure     bool     // no I/O, clock, randomness, log or concurrency: of the standard library only pureStandard
	library  library
	also     []string // import path prefixes: with onlyListed all there are, else exceptions from confined
	standard []string // import paths of the standard library; nil: all (or pureStandard)
}

const (
	jsonLibrary    = "github.com/go-json-experiment/json"
	openapiRuntime = "github.com/oapi-codegen/runtime"
	prometheus     = "github.com/prometheus/client_golang/prometheus"
)

const (
	root     = "."
	command  = "cmd/orchestrator"
	demo     = "internal/demo"
	pgtest   = "internal/pgtest"
	archtest = "internal/archtest"

	storetest = "internal/storetest"
)

// forTests are the rooms that only tests and tools enter.
var forTests = []string{archtest, pgtest, storetest}

// rooms is the graph of ARCHITECTURE.md. Whoever changes a row changes it there too.
var rooms = withHallways([]room{
	{path: "internal/discovery", pure: true, library: onlyStandard},
	{path: "internal/rollout", pure: true, library: onlyStandard, enters: []string{"internal/discovery"}},
	// RFC 8785 is what the JSON library does and the standard library does not.
	{path: "internal/audit", pure: true, library: onlyListed, also: []string{jsonLibrary}, enters: []string{"internal/rollout"}},

	{path: "internal/webhook", library: onlyListed, also: []string{
		"code.dny.dev/ssrf", "github.com/standard-webhooks/standard-webhooks/libraries/go",
	}},
	{path: "internal/auth", library: onlyStandard},
	{path: "internal/wire", library: onlyListed, also: []string{jsonLibrary}},
	// Events are read as the trail keeps them, hashes and all.
	{path: "internal/engine", enters: []string{"internal/rollout", "internal/discovery", "internal/audit"}},

	// The outbox is a table beside the others, so the stores implement dispatch.Outbox.
	{path: "internal/persistence", also: confined, enters: []string{
		"internal/engine", "internal/rollout", "internal/discovery", "internal/audit", "internal/auth",
		"internal/dispatch", "migrations",
	}},
	{path: "internal/memstore", library: onlyStandard, enters: []string{
		"internal/engine", "internal/rollout", "internal/discovery", "internal/audit", "internal/dispatch",
	}},
	{path: "internal/dispatch", library: onlyStandard, enters: []string{"internal/webhook"}},
	{path: "internal/emergency", enters: []string{"internal/rollout", "internal/discovery", "internal/webhook"}},
	{path: "internal/metrics", library: onlyListed, also: []string{prometheus}, enters: []string{
		"internal/engine", "internal/rollout", "internal/discovery", "internal/dispatch",
	}},

	{path: "api", enters: []string{
		"internal/engine", "internal/rollout", "internal/discovery", "internal/auth", "internal/emergency",
		"internal/audit", "internal/wire",
	}},
	{path: "internal/dashboard", library: onlyStandard, enters: []string{"internal/engine", "internal/rollout"}},
	// What an occurrence links should weigh little, so each library here is a decision.
	{path: "client", library: onlyListed, also: []string{jsonLibrary, openapiRuntime}, enters: []string{"internal/webhook"}},

	{path: "internal/sim", enters: []string{
		"internal/engine", "internal/memstore", "internal/dispatch", "internal/emergency", "internal/rollout",
		"internal/discovery", "internal/audit",
	}},
	{path: storetest, library: onlyListed, also: []string{jsonLibrary}, enters: []string{
		"internal/engine", "internal/rollout", "internal/discovery", "internal/audit", "internal/dispatch",
	}},
	{path: "migrations", library: onlyStandard, standard: []string{"embed"}},
	{path: root, library: onlyStandard},
	{path: archtest, library: onlyStandard},
	{path: pgtest, also: []string{"github.com/lib/pq"}},
	{path: "tools/coverfloor", library: onlyStandard},
})

// withHallways adds the rooms that may enter all others: the demonstration, the command and the benchmark. What is
// for tests stays out of the first two, and the command out of all. The benchmark runs a PostgreSQL of its own.
func withHallways(given []room) []room {
	var production []string
	for _, r := range given {
		if !slices.Contains(forTests, r.path) && !strings.HasPrefix(r.path, "tools/") {
			production = append(production, r.path)
		}
	}
	return append(given,
		room{path: demo, enters: production},
		room{path: command, enters: append(slices.Clone(production), demo)},
		room{path: "tools/bench", enters: append(slices.Clone(production), demo, pgtest)},
	)
}

// confined are the libraries that no room may use but those that list them.
var confined = []string{
	"github.com/jmoiron/sqlx", "github.com/lib/pq", "modernc.org/sqlite", "github.com/pressly/goose/v3",
}

// pureStandard is what a pure room may use of the standard library: what computes and nothing else. Not in it are
// context, log, sync and all that reads, writes, waits or draws lots.
var pureStandard = []string{
	"bytes", "cmp", "container/heap", "crypto/ed25519", "crypto/sha256", "crypto/subtle", "embed", "encoding",
	"encoding/base32", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "hash",
	"io", "iter", "maps", "math", "math/big", "math/bits", "regexp", "slices", "sort", "strconv", "strings",
	"text/template", "text/template/parse", "time", "unicode", "unicode/utf16", "unicode/utf8",
}

// find returns the row of a path.
func find(path string) (room, bool) {
	i := slices.IndexFunc(rooms, func(r room) bool { return r.path == path })
	if i < 0 {
		return room{}, false
	}
	return rooms[i], true
}

// neverInPureTests is what even the tests of a pure room do without.
var neverInPureTests = []string{"database/sql", "net", "os/exec", "syscall"}

// maxLines is how many lines a file may have, those that are blank or only comment not counted.
const maxLines = 400

package rollout

import (
	"fmt"
	"regexp"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Amount is a number or a whole percentage (rule 10.4). The zero Amount is one
// that was not set.
type Amount struct {
	N       int  `json:"n"`
	Percent bool `json:"percent,omitempty"`
	Set     bool `json:"set,omitempty"`
}

// Count is the plain number n.
func Count(n int) Amount { return Amount{N: n, Set: true} }

// Percent is p percent.
func Percent(p int) Amount { return Amount{N: p, Percent: true, Set: true} }

// Up resolves the amount against a total, percentages rounded up.
func (a Amount) Up(total int) int {
	if a.Percent {
		return (total*a.N + 99) / 100
	}
	return a.N
}

// Down resolves the amount against a total, percentages rounded down.
func (a Amount) Down(total int) int {
	if a.Percent {
		return total * a.N / 100
	}
	return a.N
}

// String writes the amount as it was given: 3 or 80%.
func (a Amount) String() string {
	if a.Percent {
		return fmt.Sprintf("%d%%", a.N)
	}
	return fmt.Sprint(a.N)
}

// SizeKind says how a wave is sized.
type SizeKind string

// The sizes of rule 3.3.
const (
	SizeCount   SizeKind = "count"
	SizePercent SizeKind = "percent"
	SizeRest    SizeKind = "rest"
)

// Size says how many members a wave has room for.
type Size struct {
	Kind SizeKind `json:"kind"`
	N    int      `json:"n,omitempty"`
}

// of resolves the size for n members of whom remain have no wave yet.
func (s Size) of(n, remain int) int {
	switch s.Kind {
	case SizeCount:
		return min(s.N, remain)
	case SizePercent:
		return min(max(1, n*s.N/100), remain)
	case SizeRest:
		return remain
	}
	return remain
}

// Group is one wave of a plan: who belongs to it and how it is judged.
type Group struct {
	Name          string        `json:"group"`
	Size          Size          `json:"size"`
	Delay         time.Duration `json:"delay"`
	Timeout       time.Duration `json:"timeout"`
	MinHealthy    Amount        `json:"min_healthy"`
	StableFor     time.Duration `json:"stable_for"`
	MaxFailed     Amount        `json:"max_failed"`     // unset: no limit
	MaxConcurrent Amount        `json:"max_concurrent"` // unset: all at once
	AllowUnclean  bool          `json:"allow_unclean,omitempty"`
	OnFailure     OnFailure     `json:"on_failure"`
}

// The names of the default groups.
const (
	Explorer     = "explorer"
	EarlyAdopter = "early_adopter"
	General      = "general"
)

// Defaults gives the settings that a group of this name has when its plan says
// nothing else: the table after rule 4.10.
func Defaults(name string) Group {
	g := Group{Name: name, Timeout: 300 * time.Second, MinHealthy: Count(1), OnFailure: HaltRollout}
	switch name {
	case Explorer:
		g.OnFailure = FailRollout
	case EarlyAdopter:
		g.Delay = 30 * time.Second
	case General:
		g.Delay, g.OnFailure = 60*time.Second, GoOn
	}
	return g
}

// DefaultPlan is the plan of rule 3.2: one explorer, thirty percent early
// adopters, the rest.
func DefaultPlan() []Group {
	explorer, early, general := Defaults(Explorer), Defaults(EarlyAdopter), Defaults(General)
	explorer.Size = Size{Kind: SizeCount, N: 1}
	early.Size = Size{Kind: SizePercent, N: 30}
	general.Size = Size{Kind: SizeRest}
	return []Group{explorer, early, general}
}

// singleWave is a plan of one wave for everybody.
func singleWave(name string) []Group {
	g := Defaults(name)
	g.Size = Size{Kind: SizeRest}
	return []Group{g}
}

// plan chooses the groups of a request: those it brings, else the agent's, else
// the default; with canaries off one wave for all (rules 3.3 and 4.24).
func (p Profile) plan(kind Kind, requested []Group, set Settings) []Group {
	switch {
	case kind == Shutdown && !set.Coordination:
		groups := singleWave("independent")
		groups[0].OnFailure = GoOn
		return groups
	case !set.Canary:
		return singleWave("all")
	case len(requested) > 0:
		return requested
	case len(p.Plans[kind]) > 0:
		return p.Plans[kind]
	}
	return DefaultPlan()
}

// The limits of rule 10.4.
const (
	maxWaves    = 50
	maxDuration = 30 * 24 * time.Hour
)

var groupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// ValidatePlan checks a plan against rule 10.4 and reports every field that
// fails, with pointers below prefix, which points at the list of waves.
func ValidatePlan(groups []Group, prefix string) []discovery.FieldError {
	var errs []discovery.FieldError
	add := func(pointer, detail string) {
		errs = append(errs, discovery.FieldError{Pointer: prefix + pointer, Detail: detail})
	}
	if len(groups) < 1 || len(groups) > maxWaves {
		add("", fmt.Sprintf("1 to %d waves", maxWaves))
	}
	seen := map[string]bool{}
	for i, g := range groups {
		at := func(field string) string { return fmt.Sprintf("/%d/%s", i, field) }
		if !groupName.MatchString(g.Name) {
			add(at("group"), "letters, digits, dot, underscore and hyphen, at most 128, a letter or digit first")
		}
		if seen[g.Name] {
			add(at("group"), "a name that no other wave of the plan has")
		}
		seen[g.Name] = true
		if g.Size.Kind == SizeRest && i != len(groups)-1 {
			add(at("rest"), "rest only in the last wave")
		}
		g.validate(func(field, detail string) { add(at(field), detail) })
	}
	return errs
}

func (g Group) validate(add func(field, detail string)) {
	switch g.Size.Kind {
	case SizeCount:
		if g.Size.N < 1 {
			add("count", "a whole number from 1")
		}
	case SizePercent:
		if g.Size.N < 1 || g.Size.N > 100 {
			add("percent", "a whole number from 1 to 100")
		}
	case SizeRest:
	}
	for _, d := range []struct {
		field string
		value time.Duration
		low   time.Duration
		want  string
	}{
		{"delay", g.Delay, 0, "a duration from 0s to 720h"},
		{"timeout", g.Timeout, 1, "a duration of more than 0s and at most 720h"},
		{"stable_for", g.StableFor, 0, "a duration from 0s to 720h"},
	} {
		if d.value < d.low || d.value > maxDuration {
			add(d.field, d.want)
		}
	}
	for _, a := range []struct {
		field string
		value Amount
		low   int
	}{
		{"min_healthy", g.MinHealthy, 1},
		{"max_failed", g.MaxFailed, 0},
		{"max_concurrent", g.MaxConcurrent, 1},
	} {
		if a.value.Set && (a.value.N < a.low || a.value.Percent && a.value.N > 100) {
			add(a.field, fmt.Sprintf("a whole number from %d, or a percentage from \"%d%%\" to \"100%%\"", a.low, a.low))
		}
	}
	switch g.OnFailure {
	case FailRollout, HaltRollout, GoOn:
	default:
		add("on_failure", "fail, halt or continue")
	}
}

package api

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"
)

// ruleTag marks a complaint of this file: its parameter is what is to be said, and
// its field the members that it is about, where it is about an object.
const ruleTag = "rule"

// maxLabel is the longest value of a label, in characters.
const maxLabel = 256

var labelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$`)

// registerRules adds the constraints that concern more than one field.
func registerRules(v *validator.Validate) {
	v.RegisterStructValidation(rule(checkWave), WavePlan{})
	v.RegisterStructValidation(rule(checkPlan), Plan{})
	v.RegisterStructValidation(rule(checkLabels), OccurrenceRegistration{})
	v.RegisterStructValidation(rule(checkWakeup), WakeupRequest{})
	v.RegisterStructValidation(rule(checkDecision), DecisionRequest{})
}

// complaint is something wrong at a place below the struct that was looked at.
// Where that is the struct itself, members are what it is about.
type complaint struct {
	at      jsontext.Pointer
	members string
	wanted  string
}

// rule makes a check of a struct a function as the validator wants it.
func rule[T any](check func(T) []complaint) validator.StructLevelFunc {
	return func(sl validator.StructLevel) {
		value, ok := sl.Current().Interface().(T)
		if !ok {
			return
		}
		for _, c := range check(value) {
			sl.ReportError(value, string(c.at), c.members, ruleTag, c.wanted)
		}
	}
}

// checkWave wants exactly one size (rule 10.4).
func checkWave(w WavePlan) []complaint {
	sizes := 0
	for _, given := range []bool{w.Count != nil, w.Percent != nil, w.Rest != nil} {
		if given {
			sizes++
		}
	}
	if sizes == 1 {
		return nil
	}
	return []complaint{{members: "count percent rest", wanted: "exactly one of count, percent and rest"}}
}

// checkPlan wants unique names, and the rest in the last wave (rule 10.4).
func checkPlan(p Plan) []complaint {
	var bad []complaint
	for i, w := range p.Waves {
		same := func(other WavePlan) bool { return other.Group == w.Group }
		if first := slices.IndexFunc(p.Waves, same); first < i && w.Group != "" {
			bad = append(bad, complaint{
				at:     jsonPointer(fmt.Sprintf("/waves/%d/group", i)),
				wanted: fmt.Sprintf("another name than that of wave %d", first+1),
			})
		}
		if w.Rest != nil && i < len(p.Waves)-1 {
			bad = append(bad, complaint{
				at:     jsonPointer(fmt.Sprintf("/waves/%d/rest", i)),
				wanted: "another size: only the last wave takes the rest",
			})
		}
	}
	return bad
}

// checkLabels wants names and values that can be shown and looked for.
func checkLabels(r OccurrenceRegistration) []complaint {
	names := make([]string, 0, len(r.Labels))
	for name := range r.Labels {
		names = append(names, name)
	}
	slices.Sort(names)
	var bad []complaint
	for _, name := range names {
		at := jsonPointer("/labels").AppendToken(name)
		if !labelName.MatchString(name) {
			bad = append(bad, complaint{at: at, wanted: `a name of letters, digits, ".", "_", "/" and "-", at most 128, a letter or a digit first`})
		}
		if len([]rune(r.Labels[name])) > maxLabel {
			bad = append(bad, complaint{at: at, wanted: fmt.Sprintf("at most %d characters", maxLabel)})
		}
	}
	return bad
}

// checkWakeup keeps the two forms of the request apart: an occurrence that asks,
// and an operator that requests.
func checkWakeup(r WakeupRequest) []complaint {
	asks := r.OccurrenceID != nil || r.BootID != nil
	requests := r.Reason != nil || r.Plan != nil || r.Supersede != nil
	var bad []complaint
	switch {
	case asks && requests:
		for _, f := range []struct {
			given bool
			at    jsontext.Pointer
		}{{r.Reason != nil, "/reason"}, {r.Plan != nil, "/plan"}, {r.Supersede != nil, "/supersede"}} {
			if f.given {
				bad = append(bad, complaint{at: f.at, wanted: "not together with occurrence_id and boot_id: an occurrence asks, or an operator requests"})
			}
		}
	case !asks && r.Reason == nil:
		bad = append(bad, complaint{at: "/reason", wanted: "missing; a reason is wanted from an operator, occurrence_id and boot_id from an occurrence"})
	}
	if asks && r.OccurrenceID == nil {
		bad = append(bad, complaint{at: "/occurrence_id", wanted: "missing; wanted together with boot_id"})
	}
	if asks && r.BootID == nil {
		bad = append(bad, complaint{at: "/boot_id", wanted: "missing; wanted together with occurrence_id"})
	}
	return bad
}

// checkDecision keeps the forms of a decision apart: the holder of the claim, an
// occurrence that decides for itself (rule 4.24), and an operator.
func checkDecision(r DecisionRequest) []complaint {
	var bad []complaint
	switch {
	case r.OccurrenceID == nil && (r.ClaimToken != nil || r.InstructionID != nil):
		bad = append(bad, complaint{at: "/occurrence_id", wanted: "missing; wanted together with claim_token or instruction_id"})
	case r.OccurrenceID != nil && r.ClaimToken == nil && r.InstructionID == nil:
		bad = append(bad, complaint{at: "/claim_token", wanted: "missing; wanted together with occurrence_id"})
	case r.ClaimToken != nil && r.InstructionID != nil:
		bad = append(bad, complaint{at: "/instruction_id", wanted: "not together with claim_token"})
	}
	if r.Until != nil && r.Verdict != VerdictDefer && r.Verdict.Valid() {
		bad = append(bad, complaint{at: "/until", wanted: "not wanted with this verdict, only with defer"})
	}
	return bad
}

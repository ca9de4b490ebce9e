package metrics

import (
	"time"

	"github.com/cirisai/orchestrator/internal/rollout"
)

// instruction is what is known of one that was acknowledged.
type instruction struct {
	kind rollout.InstructionType
	made time.Time
}

// acknowledged finds the instructions that a step counts as acknowledged, in what
// it was given, in what it made, and in what became of both. Those that belong to
// no member and no claim are not found: nobody keeps when they were made.
func acknowledged(before, after *rollout.State, eff rollout.Effects) []instruction {
	if len(eff.Acknowledge) == 0 {
		return nil
	}
	sought := make(map[string]bool, len(eff.Acknowledge))
	for _, id := range eff.Acknowledge {
		sought[id] = true
	}
	found := make([]instruction, 0, len(sought))
	look := func(id string, kind rollout.InstructionType, made time.Time) {
		if sought[id] {
			delete(sought, id)
			found = append(found, instruction{kind, made})
		}
	}
	for i := range eff.Instruct {
		look(eff.Instruct[i].ID, eff.Instruct[i].Type, eff.Instruct[i].IssuedAt)
	}
	for _, state := range []*rollout.State{before, after} {
		for i := range state.Rollouts {
			lookIn(&state.Rollouts[i], look)
		}
	}
	return found
}

// lookIn shows the instructions of a rollout's claim and members.
func lookIn(r *rollout.Rollout, look func(id string, kind rollout.InstructionType, made time.Time)) {
	if r.Claim != nil && r.Claim.InstructionID != "" {
		look(r.Claim.InstructionID, rollout.Deliberate, r.Claim.GrantedAt)
	}
	told := rollout.Stop
	switch {
	case r.Independent:
		told = rollout.Deliberate // each decides for itself (rule 4.24)
	case r.Kind == rollout.Wakeup:
		told = rollout.Wake
	}
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			m := &r.Waves[i].Members[j]
			if m.InstructionID != "" {
				look(m.InstructionID, told, m.InstructedAt)
			}
		}
	}
}

package sim

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// checker asserts the invariants on the log, event by event, and on what is
// stored.
type checker struct {
	w       *World
	read    int // events checked so far
	head    audit.Head
	held    bool
	final   map[string]rollout.Status
	grants  map[string]int64
	settled map[string]map[int]bool // waves by rollout
	dead    map[string]bool         // rejected, aborted, superseded, failed
}

func newChecker(w *World) checker {
	return checker{w: w, final: map[string]rollout.Status{}, grants: map[string]int64{}, settled: map[string]map[int]bool{}, dead: map[string]bool{}}
}

// answered asserts S21 for asking: nobody is told to decide or proceed while held.
func (c *checker) answered(d rollout.Directive) { c.w.reach["told "+string(d)]++ }

// after is called after every move.
func (c *checker) after() error {
	log := c.w.store.Log(c.read)
	head, err := audit.Verify(c.head, log)
	if err != nil {
		return fmt.Errorf("S17: %w", err)
	}
	c.head = head
	for _, e := range log {
		c.read++
		if err := c.event(e); err != nil {
			return fmt.Errorf("event %d %s: %w", e.Seq, e.Type, err)
		}
	}
	return c.stored()
}

// data is what the checker reads of an event.
type data struct {
	Number int64 `json:"number"`
	Wave   int   `json:"wave"`
}

func (c *checker) event(e audit.Event) error {
	var d data
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	switch e.Type {
	case "hold.began":
		c.held = true
	case "hold.released":
		c.held = false
	case "claim.granted":
		if d.Number <= c.grants[e.RolloutID] {
			return fmt.Errorf("S1: grant %d after %d", d.Number, c.grants[e.RolloutID])
		}
		c.grants[e.RolloutID] = d.Number
		if c.held {
			return errors.New("S21: a claim was granted while the agent is held")
		}
	case "decision.accept", "decision.reject", "decision.defer":
		if d.Number != 0 && d.Number != c.grants[e.RolloutID] {
			return fmt.Errorf("S1: decided under grant %d, the present one is %d", d.Number, c.grants[e.RolloutID])
		}
	case "wave.passed", "wave.skipped", "wave.failed":
		c.settle(e.RolloutID, e.Wave)
	case "rollout.halted":
		delete(c.settled[e.RolloutID], e.Wave)
	case "command.retry":
		delete(c.settled[e.RolloutID], d.Wave)
	case "command.promote":
		for k := 1; k <= d.Wave; k++ {
			c.settle(e.RolloutID, k)
		}
	case "instruction.wake", "instruction.stop":
		return c.instruction(e)
	case "rollout.rejected", "rollout.aborted", "rollout.superseded", "rollout.failed":
		c.dead[e.RolloutID] = true
	}
	return nil
}

func (c *checker) settle(rolloutID string, wave int) {
	if c.settled[rolloutID] == nil {
		c.settled[rolloutID] = map[int]bool{}
	}
	c.settled[rolloutID][wave] = true
}

// instruction asserts S4, S5, S6 and S21.
func (c *checker) instruction(e audit.Event) error {
	c.w.reach[e.Type]++
	for k := 1; k < e.Wave; k++ {
		if !c.settled[e.RolloutID][k] {
			return fmt.Errorf("S4: wave %d is told while wave %d is not settled", e.Wave, k)
		}
	}
	switch {
	case e.Type == "instruction.wake" && c.held:
		return errors.New("S21: somebody is told to wake while the agent is held")
	case e.Wave > 0 && c.dead[e.RolloutID]:
		return errors.New("S5, S6: a member is told after the rollout's end")
	}
	return nil
}

// stored asserts S7, S23 and that there is one unfinished rollout of a kind.
func (c *checker) stored() error {
	views, err := c.w.replicas[0].Rollouts(c.w.ctx, engine.RolloutFilter{AgentID: agentID, Limit: 1000})
	if err != nil {
		return tolerate(err)
	}
	unfinished := make(map[rollout.Kind]string)
	for _, v := range views {
		if was, known := c.final[v.ID]; known && was != v.Status {
			return fmt.Errorf("S7: rollout %s was %s and is %s", v.ID, was, v.Status)
		}
		if !v.Status.Final() {
			if other, twice := unfinished[v.Kind]; twice {
				return fmt.Errorf("rule 4.1: %s and %s are unfinished", other, v.ID)
			}
			unfinished[v.Kind] = v.ID
			continue
		}
		c.final[v.ID] = v.Status
		for _, wave := range v.Waves {
			for _, m := range wave.Members {
				if m.Status == rollout.MemberPending || m.Status.InFlight() {
					return fmt.Errorf("S23: rollout %s ended %s with %s %s", v.ID, v.Status, m.OccurrenceID, m.Status)
				}
			}
		}
	}
	return nil
}

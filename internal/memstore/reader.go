package memstore

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// reader is one consistent look at the store.
type reader struct {
	store    *Store
	now      time.Time
	wall     time.Time
	clock    discovery.Clock
	settings rollout.Settings
	holdAll  engine.HoldAll

	own    *version            // of the agent that is locked; nil in a View
	agents map[string]*version // the others; nil until they are asked for
}

// Now implements engine.ReadTx.
func (r *reader) Now() time.Time { return r.now }

// Clock implements engine.ReadTx.
func (r *reader) Clock() discovery.Clock { return r.clock }

// Settings implements engine.ReadTx.
func (r *reader) Settings() (rollout.Settings, error) { return r.settings, nil }

// HoldAll implements engine.ReadTx.
func (r *reader) HoldAll() (engine.HoldAll, error) { return r.holdAll, nil }

// find returns the version of an agent that this look sees, or nil.
func (r *reader) find(agentID string) *version {
	if r.own != nil && r.own.id == agentID {
		return r.own
	}
	return r.others()[agentID]
}

func (r *reader) others() map[string]*version {
	if r.agents == nil {
		r.store.mu.Lock()
		defer r.store.mu.Unlock()
		r.agents, r.store.shared = r.store.agents, true
	}
	return r.agents
}

// versions lists all agents by id.
func (r *reader) versions() []*version {
	others := r.others()
	ids := slices.Collect(maps.Keys(others))
	if r.own != nil && others[r.own.id] == nil {
		ids = append(ids, r.own.id)
	}
	slices.Sort(ids)
	all := make([]*version, 0, len(ids))
	for _, id := range ids {
		all = append(all, r.find(id))
	}
	return all
}

// Agent implements engine.ReadTx.
func (r *reader) Agent(agentID string) (rollout.State, discovery.Fleet, error) {
	v := r.find(agentID)
	if v == nil {
		return rollout.State{}, discovery.Fleet{}, noAgent(agentID)
	}
	return v.loaded(), cloneFleet(v.fleet, r.settings.Timing()), nil
}

// Occurrence implements engine.ReadTx.
func (r *reader) Occurrence(agentID, id string) (discovery.Occurrence, error) {
	v := r.find(agentID)
	if v == nil {
		return discovery.Occurrence{}, noAgent(agentID)
	}
	o := v.fleet.Get(id)
	if o == nil {
		return discovery.Occurrence{}, fmt.Errorf("occurrence %s of agent %s: %w", id, agentID, engine.ErrNotFound)
	}
	return cloneOccurrence(*o), nil
}

// Rollout implements engine.ReadTx.
func (r *reader) Rollout(id string) (rollout.Rollout, error) {
	_, row, err := r.rollout(id)
	if err != nil {
		return rollout.Rollout{}, err
	}
	return cloneRollout(row.Rollout), nil
}

// AgentOf implements engine.ReadTx.
func (r *reader) AgentOf(rolloutID string) (string, error) {
	v, _, err := r.rollout(rolloutID)
	if err != nil {
		return "", err
	}
	return v.id, nil
}

// rollout finds a rollout and its agent: first where it most likely is.
func (r *reader) rollout(id string) (*version, *rolloutRow, error) {
	if r.own != nil {
		if row := r.own.rollouts.get(id); row != nil {
			return r.own, row, nil
		}
	}
	for _, v := range r.others() { // the order does not matter: an id is only once there
		if row := v.rollouts.get(id); row != nil {
			return v, row, nil
		}
	}
	return nil, nil, fmt.Errorf("rollout %s: %w", id, engine.ErrNotFound)
}

// Incident implements engine.ReadTx.
func (r *reader) Incident(id string) (engine.KeptIncident, error) {
	for _, v := range r.versions() {
		if row := v.incidents.get(id); row != nil {
			return r.kept(row), nil
		}
	}
	return engine.KeptIncident{}, fmt.Errorf("incident %s: %w", id, engine.ErrNotFound)
}

func (r *reader) kept(row *incidentRow) engine.KeptIncident {
	return engine.KeptIncident{
		Incident: row.Incident, AgentID: row.agentID,
		OpenedWall: r.clock.Wall(row.OpenedAt), ResolvedWall: r.clock.Wall(row.ResolvedAt),
	}
}

// Instruction implements engine.ReadTx.
func (r *reader) Instruction(agentID, id string) (rollout.Issued, error) {
	v := r.find(agentID)
	if v == nil {
		return rollout.Issued{}, noAgent(agentID)
	}
	row := v.instructions.get(id)
	if row == nil {
		return rollout.Issued{}, fmt.Errorf("instruction %s of agent %s: %w", id, agentID, engine.ErrNotFound)
	}
	issued := row.Issued
	issued.Instruction = cloneInstruction(row.Instruction)
	return issued, nil
}

// Pending implements engine.ReadTx.
func (r *reader) Pending(agentID, occurrenceID, boot string) ([]engine.PendingInstruction, error) {
	v := r.find(agentID)
	if v == nil {
		return nil, nil
	}
	return pendingOf(v, occurrenceID, boot, r.now, r.clock), nil
}

// PendingOf implements engine.ReadTx.
func (r *reader) PendingOf(agentID string, boots map[string]string) (map[string][]engine.PendingInstruction, error) {
	v := r.find(agentID)
	if v == nil {
		return nil, nil
	}
	pending := map[string][]engine.PendingInstruction{}
	for occurrenceID, boot := range boots {
		if found := pendingOf(v, occurrenceID, boot, r.now, r.clock); len(found) > 0 {
			pending[occurrenceID] = found
		}
	}
	return pending, nil
}

// pendingOf shows what a boot has to carry out, with wall times.
func pendingOf(v *version, occurrenceID, boot string, now time.Time, clock discovery.Clock) []engine.PendingInstruction {
	var found []engine.PendingInstruction
	for _, row := range v.pending(occurrenceID, boot, now) {
		found = append(found, shown(v.id, row, clock))
	}
	return found
}

func shown(agentID string, row *instructionRow, clock discovery.Clock) engine.PendingInstruction {
	p := engine.PendingInstruction{
		Instruction: cloneInstruction(row.Instruction), AgentID: agentID, Attempts: row.attempts,
		IssuedWall: clock.Wall(row.IssuedAt), DeadlineWall: clock.Wall(row.Deadline),
	}
	if p.Claim != nil {
		p.ClaimWall = clock.Wall(p.Claim.ExpiresAt)
	}
	return p
}

// FormerBoot implements engine.ReadTx.
func (r *reader) FormerBoot(agentID, occurrenceID, boot string) (bool, error) {
	v := r.find(agentID)
	return v != nil && v.former(occurrenceID, boot), nil
}

// Events implements engine.ReadTx.
func (r *reader) Events(f engine.EventFilter) ([]audit.Event, error) {
	v := r.find(f.AgentID)
	if v == nil {
		return nil, nil
	}
	events, _ := v.trail.read(v.events)
	return selectEvents(events, f), nil
}

// EventHead implements engine.ReadTx.
func (r *reader) EventHead(agentID string) (audit.Head, error) {
	v := r.find(agentID)
	if v == nil {
		return audit.Head{}, noAgent(agentID)
	}
	_, head := v.trail.read(v.events)
	return head, nil
}

func selectEvents(events []audit.Event, f engine.EventFilter) []audit.Event {
	from := max(0, min(f.After, int64(len(events)))) // seq counts from 1 without a gap
	var selected []audit.Event
	for _, e := range events[from:] {
		if f.Limit > 0 && len(selected) == f.Limit {
			break
		}
		if f.RolloutID == "" || f.RolloutID == e.RolloutID {
			e.Data = slices.Clone(e.Data)
			selected = append(selected, e)
		}
	}
	return selected
}

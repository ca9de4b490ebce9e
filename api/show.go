package api

import (
	"encoding/json"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/wire"
)

// orNil is nil for the zero value, which is what null stands for.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// or is what p points to, or a standard.
func or[T any](p *T, standard T) T {
	if p == nil {
		return standard
	}
	return *p
}

// times shows service times as wall times.
type times struct{ clock discovery.Clock }

func (t times) at(service time.Time) wire.Time { return wire.Time(t.clock.Wall(service).UTC()) }

func (t times) orNil(service time.Time) *wire.Time {
	if service.IsZero() {
		return nil
	}
	at := t.at(service)
	return &at
}

// showRollout is a rollout as rule 10.2 has it.
func showRollout(v engine.RolloutView) Rollout {
	t := times{v.Clock}
	r := Rollout{
		RolloutID: v.ID, AgentID: v.AgentID, Kind: RolloutKind(v.Kind), State: RolloutState(v.Status), Reason: v.Reason,
		RequestedBy: v.RequestedBy, CreatedAt: t.at(v.CreatedAt), UpdatedAt: t.at(v.UpdatedAt), FinishedAt: t.orNil(v.FinishedAt),
		NextActionAt: t.orNil(v.NextAction), Version: v.Version, Waves: []Wave{},
	}
	if v.Kind != rollout.Emergency {
		r.Task = showTask(v)
	}
	if c := v.Claim; c != nil {
		r.Claim = &ClaimHolder{OccurrenceID: c.OccurrenceID, ExpiresAt: t.at(c.ExpiresAt)}
	}
	if d := v.Decision; d != nil {
		shown := showDecision(*d, t)
		r.Decision = &shown
	}
	for i := range v.Waves {
		w := showWave(v.Waves[i], i+1, v.Kind, t)
		if i < len(v.WaitingFor) {
			w.WaitingFor = orNil(v.WaitingFor[i])
		}
		r.Waves = append(r.Waves, w)
	}
	return r
}

func showDecision(d rollout.Decision, t times) Decision {
	return Decision{Verdict: Verdict(d.Verdict), OccurrenceID: orNil(d.OccurrenceID), Actor: d.Actor, Reasoning: d.Reasoning, DecidedAt: t.at(d.DecidedAt)}
}

// showTask is the shared task of the FSD, whose outcome is the whole decision
// (rule 5.1).
func showTask(v engine.RolloutView) *Task {
	task := &Task{TaskID: v.Task.ID, AgentOccurrenceID: discovery.Reserved, Status: TaskStatus(v.Task.Status), Outcome: json.RawMessage("null")}
	if v.Decision == nil {
		return task
	}
	if raw, err := wire.Encode(showDecision(*v.Decision, times{v.Clock})); err == nil { // strings and a time always encode
		task.Outcome = raw
	}
	return task
}

func showWave(v rollout.Wave, index int, kind rollout.Kind, t times) Wave {
	w := Wave{
		Index: index, Group: v.Name, State: WaveState(v.Status), Delay: wire.Duration(v.Delay), Timeout: wire.Duration(v.Timeout),
		MinHealthy: showAmount(v.MinHealthy), StableFor: wire.Duration(v.StableFor), MaxFailed: showAmountOrNil(v.MaxFailed),
		MaxConcurrent: showAmountOrNil(v.MaxConcurrent), AllowUnclean: v.AllowUnclean, OnFailure: OnFailure(v.OnFailure),
		StartsAt: t.orNil(v.StartsAt), StartedAt: t.orNil(v.StartedAt), GateOpenedAt: t.orNil(v.GateOpenedAt),
		FinishedAt: t.orNil(v.FinishedAt), Members: make([]Member, 0, len(v.Members)),
	}
	for i := range v.Members {
		w.Members = append(w.Members, showMember(v.Members[i], kind, t))
	}
	return w
}

func showAmount(a rollout.Amount) NumberOrPercent { return NumberOrPercent{N: a.N, Percent: a.Percent} }

func showAmountOrNil(a rollout.Amount) *NumberOrPercent {
	if !a.Set {
		return nil
	}
	shown := showAmount(a)
	return &shown
}

// showMember shows clean only of members that have reached in a shutdown.
func showMember(m rollout.Member, kind rollout.Kind, t times) Member {
	shown := Member{
		OccurrenceID: m.OccurrenceID, State: MemberState(m.Status), InstructionID: orNil(m.InstructionID),
		InstructedAt: t.orNil(m.InstructedAt), AcknowledgedAt: t.orNil(m.AcknowledgedAt), ReachedAt: t.orNil(m.ReachedAt),
		Deadline: t.orNil(m.Deadline), Detail: orNil(m.Detail),
	}
	if m.Status == rollout.MemberReached && kind != rollout.Wakeup {
		clean := m.Clean
		shown.Clean = &clean
	}
	return shown
}

// showOccurrence is an occurrence as rule 10.3 has it. Its secret is not among
// what is shown.
func showOccurrence(v engine.OccurrenceView) Occurrence {
	t := times{v.Clock}
	return Occurrence{
		OccurrenceID: v.ID, AgentID: v.AgentID, State: ReportedState(v.State), Liveness: Liveness(v.Liveness), Group: orNil(v.Group),
		Pinned: orNil(v.Pin), Coordinated: v.Coordinated, Version: orNil(v.Version), BootID: v.Boot, Sequence: v.Sequence,
		CallbackURL: orNil(v.CallbackURL), Labels: v.Labels, RegisteredAt: t.at(v.RegisteredAt), LastSeenAt: t.at(v.LastSeen()),
		StateChangedAt: t.at(v.StateSince),
	}
}

// showAgent is an agent and its settings.
func showAgent(v engine.AgentView) Agent {
	a := Agent{
		AgentID: v.AgentID, ExpectedOccurrences: orNil(v.Profile.Expected),
		Occurrences: OccurrenceCounts{Live: v.Live, Stale: v.Discovered - v.Live, Gone: v.Occurrences - v.Discovered, Awake: v.Awake},
		Messages:    AgentMessages{Wakeup: orNil(v.Profile.Messages[rollout.Wakeup]), Shutdown: orNil(v.Profile.Messages[rollout.Shutdown])},
		Plans:       AgentPlans{Wakeup: showPlan(v.Profile.Plans[rollout.Wakeup]), Shutdown: showPlan(v.Profile.Plans[rollout.Shutdown])},
	}
	if h := v.Hold; h != nil {
		a.Hold = &Hold{Since: times{v.Clock}.at(h.Since), By: h.By, Reason: h.Reason}
	}
	return a
}

// showInstruction is an instruction as rule 7.1 has it.
func showInstruction(p engine.PendingInstruction) Instruction {
	i := Instruction{
		InstructionID: p.ID, Type: InstructionType(p.Type), AgentID: p.AgentID, OccurrenceID: p.OccurrenceID, BootID: p.Boot,
		RolloutID: p.RolloutID, Force: p.Force, IssuedAt: wire.Time(p.IssuedWall), Deadline: wire.Time(p.DeadlineWall),
		Attempt: p.Attempts + 1, Reason: p.Reason, Message: orNil(p.Message), PeerResults: make([]PeerResult, 0, len(p.Peers)),
	}
	if p.Wave > 0 {
		i.Wave = &InstructionWave{Index: p.Wave, Group: p.Group}
	}
	if p.Claim != nil {
		i.Claim = &Claim{Token: p.Claim.Token, ExpiresAt: wire.Time(p.ClaimWall)}
	}
	for _, peer := range p.Peers {
		shown := PeerResult{Wave: peer.Wave, Group: peer.Group, Total: peer.Total, Reached: peer.Reached, Failed: peer.Failed}
		if peer.MedianTimeToReach >= 0 {
			took := wire.Duration(peer.MedianTimeToReach)
			shown.MedianTimeToReach = &took
		}
		i.PeerResults = append(i.PeerResults, shown)
	}
	return i
}

func showInstructions(pending []engine.PendingInstruction) []Instruction {
	shown := make([]Instruction, 0, len(pending))
	for _, p := range pending {
		shown = append(shown, showInstruction(p))
	}
	return shown
}

// InstructionBody is the body of a callback without attempt and server_time,
// which are added on each try (rules 7.1 and 7.6).
func InstructionBody(p engine.PendingInstruction) ([]byte, error) {
	i := showInstruction(p)
	return wire.Encode(instructionBody{
		InstructionID: i.InstructionID, Type: i.Type, AgentID: i.AgentID, OccurrenceID: i.OccurrenceID, BootID: i.BootID,
		RolloutID: i.RolloutID, Wave: i.Wave, Force: i.Force, IssuedAt: i.IssuedAt, Deadline: i.Deadline, Reason: i.Reason,
		Message: i.Message, PeerResults: i.PeerResults, Claim: i.Claim,
	})
}

// instructionBody is Delivery without what is fresh on each try.
type instructionBody struct {
	InstructionID string           `json:"instruction_id"`
	Type          InstructionType  `json:"type"`
	AgentID       string           `json:"agent_id"`
	OccurrenceID  string           `json:"occurrence_id"`
	BootID        string           `json:"boot_id"`
	RolloutID     string           `json:"rollout_id"`
	Wave          *InstructionWave `json:"wave"`
	Force         bool             `json:"force"`
	IssuedAt      wire.Time        `json:"issued_at"`
	Deadline      wire.Time        `json:"deadline"`
	Reason        string           `json:"reason"`
	Message       *string          `json:"message"`
	PeerResults   []PeerResult     `json:"peer_results"`
	Claim         *Claim           `json:"claim"`
}

// showEvent is an event as the trail keeps it.
func showEvent(e audit.Event) Event {
	shown := Event{
		Seq: e.Seq, At: wire.Time(e.At), Type: e.Type, AgentID: e.AgentID, RolloutID: orNil(e.RolloutID), Wave: orNil(e.Wave),
		OccurrenceID: orNil(e.OccurrenceID), Actor: e.Actor, Data: e.Data, PrevHash: e.PrevHash, Hash: e.Hash,
	}
	if len(shown.Data) == 0 {
		shown.Data = json.RawMessage("{}")
	}
	return shown
}

// showIncident is an incident as rule 10.3 has it.
func showIncident(i engine.KeptIncident) Incident {
	shown := Incident{
		IncidentID: i.ID, AgentID: i.AgentID, RolloutID: orNil(i.RolloutID), Wave: orNil(i.Wave), OccurrenceID: orNil(i.OccurrenceID),
		Type: IncidentType(i.Type), State: IncidentStateOpen, Detail: i.Detail, OpenedAt: wire.Time(i.OpenedWall), ResolvedBy: orNil(i.ResolvedBy),
	}
	if !i.ResolvedAt.IsZero() {
		at := wire.Time(i.ResolvedWall)
		shown.State, shown.ResolvedAt = IncidentStateResolved, &at
	}
	return shown
}

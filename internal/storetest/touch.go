package storetest

import (
	"errors"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func touchProofs() []proof {
	proofs := []proof{
		{"rule 2.8: a heartbeat without news is a sign of life and nothing more", touchTaken},
		{"rule 2.4: the same heartbeat is taken once", touchOnce},
		{"rule 7.5: the answer carries what is pending", touchPending},
		{"each of a batch is judged by itself", touchBatch},
		{"rule 2.4: several of one occurrence are judged in their order", touchTwice},
		{"rule 10.9: a throttled heartbeat is a sign of life, whatever it reports", touchAlive},
		{"rule 10.9: a throttled heartbeat of somebody watched counts too", touchAliveWatched},
		{"rule 2.11: a sign of life makes nobody due", touchNotDue},
		{"what is noted of another boot watches nobody", touchNotWatched},
	}
	for _, c := range touchRefusals() {
		proofs = append(proofs, proof{c.name, func(s *suite) { touchRefused(s, c) }})
	}
	for _, c := range touchLimits() {
		proofs = append(proofs, proof{c.name, func(s *suite) { touchAtLimit(s, c) }})
	}
	return proofs
}

// touchable is an occurrence whose next heartbeat may be taken in passing, and
// that heartbeat.
func (s *suite) touchable() (discovery.Occurrence, engine.Touch) {
	s.t.Helper()
	o := s.working("o1", "b1")
	o.Sequence, o.Version, o.Detail, o.Critical, o.High = 5, "v1", "fine", 1, 2
	o.Labels, o.CallbackURL, o.Pin = map[string]string{"a": "b"}, "https://example.org", "explorer"
	o.TransitSince, o.Conflicts = o.LastSign, []time.Time{o.LastSign}
	s.hear(agent, o)
	return o, engine.Touch{AgentID: agent, OccurrenceID: "o1", Boot: "b1", Sequence: 6, State: discovery.Work, Detail: "fine", Critical: 1, High: 2}
}

// touch sends one heartbeat.
func (s *suite) touch(b engine.Touch) engine.Touched {
	s.t.Helper()
	touched, err := s.store.Touch(s.ctx, []engine.Touch{b})
	s.must(err)
	if len(touched) != 1 {
		s.t.Fatalf("one heartbeat has %d answers", len(touched))
	}
	return touched[0]
}

func touchTaken(s *suite) {
	o, b := s.touchable()
	state := s.state(agent)
	for _, version := range []string{"", "v1"} {
		wall := s.clock.Advance(time.Second)
		b.Version = version
		got := s.touch(b)
		if !got.Taken || !got.Wall.Equal(wall) || len(got.Pending) != 0 {
			s.t.Errorf("version %q: want it taken at %v, got %+v", version, wall, got)
		}
		o.Sequence, o.LastSign = b.Sequence, s.now()
		s.same("occurrence", o, s.occurrence(agent, "o1"))
		b.Sequence += 3 // gaps are fine
	}
	s.same("state", state, s.state(agent))
}

func touchOnce(s *suite) {
	_, b := s.touchable()
	if !s.touch(b).Taken {
		s.t.Fatal("the first is not taken")
	}
	o := s.occurrence(agent, "o1")
	s.clock.Advance(time.Second)
	if s.touch(b).Taken {
		s.t.Error("the same heartbeat is taken twice")
	}
	s.same("occurrence", o, s.occurrence(agent, "o1"))
}

func touchPending(s *suite) {
	_, b := s.touchable()
	in := s.instruction("in_2", "o1", "b1", "ro_1")
	in.Claim = &rollout.ClaimGrant{Token: "t", ExpiresAt: in.Deadline}
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"), in, s.instruction("in_3", "o2", "b1", "ro_1"), s.instruction("in_4", "o1", "b0", "ro_1"))
	got := s.touch(b)
	s.view(func(tx engine.ReadTx) error {
		want, err := tx.Pending(agent, "o1", "b1")
		s.must(err)
		if len(want) != 2 {
			s.t.Fatalf("%d are pending, want 2", len(want))
		}
		s.same("pending", want, got.Pending)
		return nil
	})
}

// refusal is a reason why a heartbeat must not be recorded in passing.
type refusal struct {
	name   string
	change func(s *suite, o *discovery.Occurrence, b *engine.Touch)
}

func touchRefusals() []refusal {
	return []refusal{
		{"rule 2.5: a boot that is not the present one is not touched", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Boot = "b0" }},
		{"rule 2.4: an old sequence is not touched", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Sequence = 4 }},
		{"rule 2.4: the last sequence is not touched", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Sequence = 5 }},
		{"another state is news", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.State = discovery.Play }},
		{"another version is news", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Version = "v2" }},
		{"another detail is news", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Detail = "worse" }},
		{"no detail any more is news", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Detail = "" }},
		{"rule 4.7: critical incidents are news", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.Critical = 0 }},
		{"other incidents are news", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.High = 3 }},
		{"rule 2.6: who has left is not touched", func(_ *suite, o *discovery.Occurrence, _ *engine.Touch) { o.Left = true }},
		{"rule 2.6: who has stopped is not touched", func(_ *suite, o *discovery.Occurrence, b *engine.Touch) {
			o.State, b.State = discovery.Stopped, discovery.Stopped
		}},
		{"rule 2.9: whose address answered 410 is not touched", func(_ *suite, o *discovery.Occurrence, _ *engine.Touch) { o.CallbackGone = true }},
		{"rule 2.9: who was never heard is not touched", func(_ *suite, o *discovery.Occurrence, _ *engine.Touch) { o.LastSign = time.Time{} }},
		{"rule 2.9: who is stale is not touched", func(s *suite, _ *discovery.Occurrence, _ *engine.Touch) { s.clock.Advance(time.Minute) }},
		{"rule 2.9: who is gone is not touched", func(s *suite, _ *discovery.Occurrence, _ *engine.Touch) { s.clock.Advance(time.Hour) }},
		{"rule 2.8: an old echo is not touched", func(s *suite, _ *discovery.Occurrence, b *engine.Touch) {
			b.EchoWall = s.clock.Now().Add(-time.Minute)
		}},
		{"an occurrence that nobody knows is not touched", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.OccurrenceID = "o2" }},
		{"an agent that nobody knows is not touched", func(_ *suite, _ *discovery.Occurrence, b *engine.Touch) { b.AgentID = "other" }},
		{"who is watched is not touched", func(s *suite, _ *discovery.Occurrence, _ *engine.Touch) {
			s.commit(agent, func(state *rollout.State, _ *rollout.Effects) {
				state.Notes["o1"] = rollout.Note{Boot: "b1", Watched: true}
			})
		}},
	}
}

func touchRefused(s *suite, r refusal) {
	o, b := s.touchable()
	s.clock.Advance(time.Second)
	r.change(s, &o, &b)
	if o.LastSign.IsZero() { // liveness never moves back, so this must be another one
		o.ID, b.OccurrenceID = "o9", "o9"
	}
	s.hear(agent, o)
	if s.touch(b).Taken {
		s.t.Error("the heartbeat was taken in passing")
	}
	s.same("occurrence", o, s.occurrence(agent, o.ID))
	err := s.store.View(s.ctx, func(tx engine.ReadTx) error {
		_, err := tx.Occurrence(b.AgentID, b.OccurrenceID)
		return err
	})
	if known := b.AgentID == agent && b.OccurrenceID == o.ID; !known && !errors.Is(err, engine.ErrNotFound) {
		s.t.Errorf("a heartbeat in passing has made somebody: %v", err)
	}
}

// limit is the last instant at which a heartbeat is taken.
type limit struct {
	name  string
	after time.Duration // since the last sign of life
	echo  time.Duration // before now; 0: none
	taken bool
}

func touchLimits() []limit {
	const timeout = 30 * time.Second // of the default settings
	return []limit{
		{"rule 2.9: live up to and with the liveness timeout", timeout, 0, true},
		{"rule 2.9: stale right after the liveness timeout", timeout + time.Microsecond, 0, false},
		{"rule 2.8: an echo as old as the liveness timeout counts", time.Second, timeout, true},
		{"rule 2.8: an echo older than the liveness timeout does not", time.Second, timeout + time.Microsecond, false},
		{"rule 2.8: an echo ahead of now counts as now", time.Second, -time.Hour, true},
	}
}

func touchAtLimit(s *suite, l limit) {
	_, b := s.touchable()
	now := s.clock.Advance(l.after)
	if l.echo != 0 {
		b.EchoWall = now.Add(-l.echo)
	}
	if got := s.touch(b).Taken; got != l.taken {
		s.t.Errorf("taken is %v, want %v", got, l.taken)
	}
}

// touchTwice: of several heartbeats of one occurrence in a batch each is judged
// by what the one before it has left.
func touchTwice(s *suite) {
	_, b := s.touchable()
	var beats []engine.Touch
	for _, sequence := range []int64{6, 8, 8, 7, 9} {
		b.Sequence = sequence
		beats = append(beats, b)
	}
	touched, err := s.store.Touch(s.ctx, beats)
	s.must(err)
	taken := make([]bool, len(touched))
	for i := range touched {
		taken[i] = touched[i].Taken
	}
	s.same("taken", []bool{true, true, false, false, true}, taken)
	if got := s.occurrence(agent, "o1").Sequence; got != 9 {
		s.t.Errorf("the last sequence is %d, want 9", got)
	}
}

func touchBatch(s *suite) {
	_, b := s.touchable()
	o3 := s.working("o3", "c1")
	s.hear(agent, s.working("o2", "b1"), o3)
	s.hear("other", s.working("o1", "x1"))
	s.clock.Advance(time.Second)
	like := func(agentID, occurrence, boot string, sequence int64) engine.Touch {
		return engine.Touch{AgentID: agentID, OccurrenceID: occurrence, Boot: boot, Sequence: sequence, State: discovery.Work}
	}
	beats := []engine.Touch{like("other", "o1", "x1", 2), like(agent, "o3", "c0", 2), b, like("nobody", "o1", "x1", 2), like(agent, "o2", "b1", 2), like("other", "o9", "x1", 2)}
	touched, err := s.store.Touch(s.ctx, beats)
	s.must(err)
	taken := make([]bool, len(touched))
	for i := range touched {
		taken[i] = touched[i].Taken
	}
	s.same("taken", []bool{true, false, true, false, true, false}, taken)
	now := s.now()
	for _, c := range []struct {
		agentID, occurrence string
		last                time.Time
	}{{"other", "o1", now}, {agent, "o3", o3.LastSign}, {agent, "o1", now}, {agent, "o2", now}} {
		if got := s.occurrence(c.agentID, c.occurrence).LastSign; !got.Equal(c.last) {
			s.t.Errorf("%s/%s: last sign of life at %v, want %v", c.agentID, c.occurrence, got, c.last)
		}
	}
	none, err := s.store.Touch(s.ctx, nil)
	if err != nil || len(none) != 0 {
		s.t.Errorf("no heartbeats: %v %v", none, err)
	}
}

func touchAlive(s *suite) {
	o, b := s.touchable()
	b.AliveOnly = true
	b.State, b.Version, b.Detail, b.Critical, b.High = discovery.Error, "v2", "worse", 9, 9
	s.clock.Advance(time.Second)
	if !s.touch(b).Taken {
		s.t.Fatal("a throttled heartbeat was not taken")
	}
	o.LastSign = s.now()
	s.same("occurrence: all but the sign of life, the sequence too, is as it was", o, s.occurrence(agent, "o1"))

	for name, spoil := range map[string]func(b *engine.Touch){
		"another boot": func(b *engine.Touch) { b.Boot = "b0" },
		"unknown":      func(b *engine.Touch) { b.OccurrenceID = "o7" },
		"old":          func(b *engine.Touch) { b.Sequence = 5 },
		"old echo":     func(b *engine.Touch) { b.EchoWall = s.clock.Now().Add(-time.Minute) },
	} {
		s.clock.Advance(time.Second)
		bad := b
		spoil(&bad)
		if s.touch(bad).Taken {
			s.t.Errorf("%s: a throttled heartbeat was taken", name)
		}
	}
	s.same("occurrence after the refusals", o, s.occurrence(agent, "o1"))
	s.clock.Advance(time.Minute)
	if !s.touch(b).Taken || !s.occurrence(agent, "o1").LastSign.Equal(s.now()) {
		s.t.Error("whoever was stale was heard, and still is stale")
	}
	o = s.occurrence(agent, "o1")
	o.Left = true
	s.hear(agent, o)
	s.clock.Advance(time.Second)
	if s.touch(b).Taken {
		s.t.Error("a throttled heartbeat of one who has left was taken")
	}
	s.same("occurrence that has left", o, s.occurrence(agent, "o1"))
}

// touchAliveWatched: that somebody waits for an occurrence's news is no reason
// to let it fall silent.
func touchAliveWatched(s *suite) {
	_, b := s.touchable()
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) {
		state.Notes["o1"] = rollout.Note{Boot: "b1", Watched: true}
	})
	s.clock.Advance(time.Second)
	b.AliveOnly = true
	if !s.touch(b).Taken || !s.occurrence(agent, "o1").LastSign.Equal(s.now()) {
		s.t.Error("the sign of life was not taken")
	}
}

func touchNotDue(s *suite) {
	_, b := s.touchable()
	if !s.touch(b).Taken {
		s.t.Fatal("not taken")
	}
	agents, next, err := s.store.Due(s.ctx, 10)
	s.must(err)
	if len(agents) != 0 || next != 0 {
		s.t.Errorf("due: %v, next in %v", agents, next)
	}
}

func touchNotWatched(s *suite) {
	_, b := s.touchable()
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) {
		state.Notes["o1"] = rollout.Note{Boot: "b0", Watched: true}
	})
	if !s.touch(b).Taken {
		s.t.Error("the heartbeat was not taken in passing")
	}
}

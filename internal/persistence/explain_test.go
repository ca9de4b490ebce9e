package persistence

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// grown are tables that grow with the fleet or with time: no statement may look
// at all of one, but for those of wholesale.
var grown = regexp.MustCompile(`(?i)\b(?:SCAN|Seq Scan on) (occurrences|instructions|members|events|rollouts|incidents|boots|deliveries|kept_answers|loose_stops|o|i|m|b|x|l)\b(.*)`)

// wholesale are statements that count everything, for metrics.
var wholesale = regexp.MustCompile(`count\(\*\) FROM (rollouts|incidents|\(SELECT CASE)`)

// TestStatementsUseIndexes explains every statement that the store has run by
// the end of a scenario in which everything happens.
func TestStatementsUseIndexes(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		s := openForTest(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
		explain(t, s, func(db *sql.DB, statement string) string {
			var plan strings.Builder
			none := make([]any, strings.Count(statement, "?"))
			explained(t, db, "EXPLAIN QUERY PLAN "+statement, none, func(rows *sql.Rows) error {
				var id, parent, unused int
				var detail string
				err := rows.Scan(&id, &parent, &unused, &detail)
				plan.WriteString(detail + "\n")
				return err
			})
			return plan.String()
		})
	})
	server := pgtest.Shared(t)
	if server == nil {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		s := openForTest(t, server.NewDatabase(t))
		prepared := 0
		explain(t, s, func(db *sql.DB, statement string) string {
			prepared++
			var plan strings.Builder
			for _, text := range []string{
				fmt.Sprintf("PREPARE p%d AS %s", prepared, statement),
				fmt.Sprintf("EXPLAIN EXECUTE p%d%s", prepared, nulls(statement)),
			} {
				explained(t, db, text, nil, func(rows *sql.Rows) error {
					var line string
					err := rows.Scan(&line)
					plan.WriteString(line + "\n")
					return err
				})
			}
			return plan.String()
		})
	})
}

// nulls are as many parameters as the statement has.
func nulls(statement string) string {
	n := 0
	for strings.Contains(statement, fmt.Sprintf("$%d", n+1)) {
		n++
	}
	if n == 0 {
		return ""
	}
	return "(NULL" + strings.Repeat(", NULL", n-1) + ")"
}

func explained(t *testing.T, db *sql.DB, text string, args []any, scan func(*sql.Rows) error) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func explain(t *testing.T, s *Store, plan func(db *sql.DB, statement string) string) {
	t.Helper()
	everythingHappens(t, s)
	db := s.write.db.DB
	if s.write.dialect == postgresDialect {
		db.SetMaxOpenConns(1) // the settings and the prepared statements are one session's
		// Small tables are best read whole, so that must be forbidden to see whether there is another way.
		for _, text := range []string{"ANALYZE", "SET plan_cache_mode = force_generic_plan", "SET enable_seqscan = off"} {
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	statements := map[string]string{}
	for _, p := range []*pool{s.write, s.read} {
		for f, compiled := range p.compiled {
			statements[fmt.Sprintf("%s -- %d rows", f.text, f.size)] = compiled
		}
	}
	if len(statements) < 50 {
		t.Fatalf("only %d statements were run", len(statements))
	}
	for _, text := range sortedKeys(statements) {
		if wholesale.MatchString(text) {
			continue
		}
		got := plan(db, statements[text])
		for _, m := range grown.FindAllStringSubmatch(got, -1) {
			if !strings.Contains(m[2], "USING") { // SQLite says so when it goes by an index
				t.Errorf("looks at all of a table:\n%s\n%s", text, got)
				break
			}
		}
	}
}

func openForTest(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{Render: func(engine.PendingInstruction) ([]byte, error) { return []byte("{}"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// everythingHappens runs every statement that there is, on tables that are large
// enough for an index to be worth it.
func everythingHappens(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Beat(ctx))
	_, err := s.SaveSettings(ctx, rollout.DefaultSettings())
	must(err)
	for round := range 4 {
		for a := range 3 {
			must(s.Update(ctx, fmt.Sprintf("agent-%d", a), true, func(tx engine.Tx) error {
				return scenario(tx, fmt.Sprintf("agent-%d", a), round)
			}))
		}
	}
	_, err = s.Touch(ctx, []engine.Touch{{AgentID: "agent-1", OccurrenceID: "o-7", Boot: "boot-3", Sequence: 99, State: discovery.Work}})
	must(err)
	claimed, err := s.Claim(ctx, 10, time.Minute)
	must(err)
	if len(claimed) == 0 {
		t.Fatal("nothing was claimed")
	}
	must(s.Settle(ctx, []dispatch.Settled{{Delivery: claimed[0], Outcome: dispatch.Outcome{Kind: dispatch.Retry, Detail: "no"}}}))
	failures, err := s.Failures(ctx, 10)
	must(err)
	if len(failures) == 0 {
		t.Fatal("no failure is listed")
	}
	must(s.Reported(ctx, failures))
	_, _, err = s.Next(ctx)
	must(err)
	_, err = s.HoldAll(ctx, engine.HoldAll{Active: true})
	must(err)
	_, _, err = s.Due(ctx, 10)
	must(err)
	_, err = s.Prune(ctx, time.Hour, 1000)
	must(err)
	must(s.View(ctx, readEverything))
	must(s.Ping(ctx))
}

// scenario changes whatever can be changed of an agent.
func scenario(tx engine.Tx, agentID string, round int) error {
	const size = 300
	before, fleet, err := tx.Agent(agentID)
	if err != nil {
		return err
	}
	var changed []discovery.Occurrence
	for i := range size {
		o := discovery.Occurrence{
			ID: fmt.Sprintf("o-%d", i), Boot: fmt.Sprintf("boot-%d", round), State: discovery.Work, LastSign: tx.Now(),
			StateSince: tx.Now(), CallbackURL: "http://10.0.0.1",
		}
		changed = append(changed, o)
	}
	moved := changed[0]
	moved.CallbackURL = "http://10.0.0.2"
	if err := tx.SaveOccurrences(fleet, changed); err != nil {
		return err
	}
	if err := tx.SaveOccurrences(fleet.With(changed...), []discovery.Occurrence{moved}); err != nil {
		return err
	}
	if err := tx.SaveProfile(rollout.Profile{Expected: round}); err != nil {
		return err
	}
	if err := tx.Keep(fmt.Sprint(agentID, round), engine.KeptAnswer{}); err != nil {
		return err
	}
	if _, err := tx.Recall(fmt.Sprint(agentID, round)); err != nil {
		return err
	}
	after, eff := scenarioState(tx, before, agentID, round, size)
	if err := tx.Commit(before, after, eff); err != nil {
		return err
	}
	last := after
	last.Notes, last.Loose, last.Incidents = nil, nil, nil
	if round < 3 {
		last.Rollouts = []rollout.Rollout{after.Rollouts[len(after.Rollouts)-1]}
		last.Rollouts[0].Status, last.Rollouts[0].FinishedAt = rollout.Succeeded, tx.Now()
		last.Rollouts[0].Waves = []rollout.Wave{{Members: after.Rollouts[len(after.Rollouts)-1].Waves[0].Members[1:]}}
	}
	return tx.Commit(after, last, rollout.Effects{
		Acknowledge: []string{fmt.Sprintf("%s~%d~1", agentID, round)}, Suspend: []string{"ro"},
		Resume: []rollout.Extension{{RolloutID: "ro"}}, Withdraw: []rollout.Withdrawal{{RolloutID: "ro"}, {InstructionID: "none"}, {OccurrenceID: "o-2"}},
	})
}

func scenarioState(tx engine.Tx, before rollout.State, agentID string, round, size int) (rollout.State, rollout.Effects) {
	after := before
	r := rollout.Rollout{ID: fmt.Sprintf("ro-%s-%d", agentID, round), AgentID: agentID, Kind: rollout.Shutdown, Status: rollout.Rolling, CreatedAt: tx.Now()}
	r.Waves = []rollout.Wave{{}}
	after.Notes, after.Loose, after.Incidents = map[string]rollout.Note{}, map[string]rollout.LooseStop{}, map[string]rollout.Incident{}
	var eff rollout.Effects
	for i := range size {
		id := fmt.Sprintf("o-%d", i)
		r.Waves[0].Members = append(r.Waves[0].Members, rollout.Member{OccurrenceID: id})
		after.Notes[id] = rollout.Note{Boot: fmt.Sprintf("boot-%d", round), Watched: i%2 == 0 && i != 7}
		after.Loose[id] = rollout.LooseStop{RolloutID: "ro", Told: round}
		incident := rollout.Incident{ID: fmt.Sprintf("inc-%s-%d-%d", agentID, round, i), Type: rollout.IncidentStraggler, OpenedAt: tx.Now()}
		after.Incidents[fmt.Sprintf("%d/%s", round, id)] = incident
		eff.Opened = append(eff.Opened, incident)
		eff.Instruct = append(eff.Instruct, rollout.Instruction{
			ID: fmt.Sprintf("%s~%d~%d", agentID, round, i), RolloutID: r.ID, OccurrenceID: id,
			Boot: fmt.Sprintf("boot-%d", round), IssuedAt: tx.Now(), Deadline: tx.Now().Add(time.Minute),
		})
		eff.Events = append(eff.Events, rollout.Event{Type: "test", RolloutID: r.ID, At: tx.Now()})
	}
	after.Rollouts = append(after.Rollouts[:len(after.Rollouts):len(after.Rollouts)], r)
	return after, eff
}

// readEverything reads in every way that there is.
func readEverything(tx engine.ReadTx) error {
	yes, no := true, false
	for _, read := range []func() error{
		func() error { _, _, err := tx.Agent("agent-1"); return err },
		func() error { _, err := tx.Occurrence("agent-1", "o-1"); return err },
		func() error { _, err := tx.Agents("", 10); return err },
		func() error { _, err := tx.AgentOf("ro-agent-1-0"); return err },
		func() error { _, err := tx.Rollout("ro-agent-1-0"); return err },
		func() error {
			_, err := tx.Rollouts(engine.RolloutFilter{AgentID: "agent-1", Kind: rollout.Shutdown, States: []rollout.Status{rollout.Rolling}, Before: "x", Limit: 5})
			return err
		},
		func() error { _, err := tx.Rollouts(engine.RolloutFilter{Limit: 5}); return err },
		func() error {
			_, err := tx.Events(engine.EventFilter{AgentID: "agent-1", RolloutID: "ro-agent-1-0", Limit: 5})
			return err
		},
		func() error {
			_, err := tx.Events(engine.EventFilter{AgentID: "agent-1", After: 7, Limit: 5})
			return err
		},
		func() error { _, err := tx.EventHead("agent-1"); return err },
		func() error { _, err := tx.Incident("inc-agent-1-0-0"); return err },
		func() error {
			_, err := tx.Incidents(engine.IncidentFilter{AgentID: "agent-1", Open: &yes, Before: &engine.IncidentPlace{OpenedAt: time.UnixMicro(1), ID: "inc-agent-1-0-0"}, Limit: 5})
			return err
		},
		func() error { _, err := tx.Incidents(engine.IncidentFilter{Open: &no, Limit: 5}); return err },
		func() error { _, err := tx.Pending("agent-1", "o-1", "boot-3"); return err },
		func() error { _, err := tx.Instruction("agent-1", "agent-1~0~0"); return err },
		func() error { _, err := tx.FormerBoot("agent-1", "o-1", "boot-0"); return err },
		func() error { _, err := tx.Counts(); return err },
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

const maxBeat = 5 * time.Second

// BeatEvery says how often Beat must be called: at least every 5 s, and three
// times in a liveness timeout (rule 2.10). A gap of more than two such
// intervals is a silence.
func BeatEvery(s rollout.Settings) time.Duration {
	return min(maxBeat, s.LivenessTimeout/3)
}

// clockRow is the row service_clock, in microseconds.
type clockRow struct {
	LastWall    int64 `db:"last_wall"`
	LastService int64 `db:"last_service"`
	Silences    int64 `db:"silences"`
	Since       int64 `db:"since"`
	Ahead       int64 `db:"ahead"`
}

// beat is the row after a beat at wall, and whether that opened a silence: there
// was a gap of more than limit, or the wall clock has leapt backwards, before
// the last beat or by more than tolerance before the latest service instant that
// this process has seen. Service time goes on from where it was, one microsecond
// on, so that no instant after a silence equals one before.
func (c clockRow) beat(wall, seen int64, limit time.Duration) (clockRow, bool) {
	started := c.LastWall != 0
	gap := wall - c.LastWall
	latest := max(c.LastService, seen)
	if started && (gap < 0 || gap > limit.Microseconds()) || wall-c.Ahead < latest-tolerance.Microseconds() {
		from := latest + 1
		return clockRow{LastWall: wall, LastService: from, Silences: c.Silences + 1, Since: from, Ahead: wall - from}, true
	}
	c.LastWall, c.LastService = wall, max(c.LastService, wall-c.Ahead)
	return c, false
}

// tolerance is by how much a transaction may read an older time than one that
// overlaps with it, without the clock having leapt.
const tolerance = time.Second

// moment is what a transaction knows of time, and of what else it reads with it.
type moment struct {
	row      clockRow
	started  bool // there was a Beat
	silent   bool // beat has opened a silence that is not written
	now      time.Time
	wall     time.Time
	clock    discovery.Clock
	settings rollout.Settings
	doc      string // of the settings
	holdAll  engine.HoldAll
}

// standing is what a replica may go on with after the transaction.
func (m moment) standing() *standing {
	return &standing{doc: m.doc, settings: m.settings, silences: m.row.Silences, since: m.row.Since, clock: m.clock}
}

const selectMoment = `SELECT {wall} AS wall, c.last_wall, c.last_service, c.silences, c.since, c.ahead,
	h.number, h.active, h.held_by, h.reason, COALESCE(s.doc, '') AS settings
	FROM service_clock c JOIN hold_all h ON h.id = c.id LEFT JOIN settings s ON s.id = c.id WHERE c.id = 1`

// look reads the clocks, the settings and the hold of all agents. What it finds
// silent is not written: see advance.
func (s *Store) look(c *conn) (moment, error) {
	var row momentRow
	if err := c.get(&row, selectMoment); err != nil {
		return moment{}, notMigrated(err)
	}
	return s.momentOf(c, row)
}

// momentRow is what selectMoment reads.
type momentRow struct {
	Wall int64 `db:"wall"`
	clockRow
	Number   int64  `db:"number"`
	Active   bool   `db:"active"`
	HeldBy   string `db:"held_by"`
	Reason   string `db:"reason"`
	Settings string `db:"settings"`
}

func (s *Store) momentOf(c *conn, row momentRow) (m moment, err error) {
	m = moment{started: row.LastWall != 0, doc: row.Settings, holdAll: engine.HoldAll{Number: row.Number, Active: row.Active, By: row.HeldBy, Reason: row.Reason}}
	known := s.known.Load()
	if known != nil && known.doc == row.Settings {
		m.settings = known.settings
	} else if m.settings, err = readSettings(row.Settings); err != nil {
		return moment{}, err
	}
	wall := row.Wall
	if own := s.ownWall(); own != 0 {
		wall = own
	}
	m.row, m.silent = row.beat(wall, s.highest.Load(), 2*BeatEvery(m.settings))
	m.wall = instant(wall)
	silences, err := s.silencesUpTo(c, row.clockRow)
	if err != nil {
		return moment{}, err
	}
	if m.silent {
		silences = append(silences[:len(silences):len(silences)], discovery.Silence{From: instant(m.row.Since), Offset: microseconds(m.row.Ahead)})
	}
	m.clock = discovery.Clock{Silences: silences}
	if !m.silent && (known == nil || known.doc != row.Settings || known.silences != row.Silences || known.since != row.Since) {
		s.known.Store(m.standing())
	}
	m.now = instant(s.forward(m.row.LastService))
	return m, nil
}

// standing is what a replica knows of the settings and the service clock from the last
// transaction that read them.
type standing struct {
	doc             string // of the settings
	settings        rollout.Settings
	silences, since int64
	clock           discovery.Clock
}

func readSettings(doc string) (rollout.Settings, error) {
	settings := rollout.DefaultSettings()
	if doc == "" {
		return settings, nil
	}
	if err := json.Unmarshal([]byte(doc), &settings); err != nil {
		return settings, fmt.Errorf("settings: %w", err)
	}
	return settings, nil
}

// ownWall is the wall clock where it is not the database's; else 0.
func (s *Store) ownWall() int64 {
	switch {
	case s.options.Clock != nil:
		return micros(s.options.Clock())
	case !s.write.dialect.locks:
		return micros(processClock())
	}
	return 0
}

// notMigrated names the usual cause of a clock that is not there.
func notMigrated(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errors.New("the database has no service clock: is it migrated?")
	}
	return err
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// forward keeps service time from moving back within this process.
func (s *Store) forward(us int64) int64 {
	for {
		was := s.highest.Load()
		if us <= was {
			return was
		}
		if s.highest.CompareAndSwap(was, us) {
			return us
		}
	}
}

// silencesUpTo gives the silences that the row counts. They never change, so
// those that are known need no reading.
func (s *Store) silencesUpTo(c *conn, row clockRow) ([]discovery.Silence, error) {
	n := row.Silences
	s.mu.Lock()
	known := s.silences
	s.mu.Unlock()
	if n == 0 || int64(len(known)) >= n && micros(known[n-1].From) == row.Since {
		return known[:n:n], nil
	}
	var rows []struct {
		Since int64 `db:"since"`
		Ahead int64 `db:"ahead"`
	}
	if err := c.list(&rows, `SELECT since, ahead FROM silences ORDER BY since`); err != nil {
		return nil, err
	}
	if int64(len(rows)) < n {
		return nil, fmt.Errorf("the service clock has had %d silences, of which %d are there", n, len(rows))
	}
	all := make([]discovery.Silence, n)
	for i := range all {
		all[i] = discovery.Silence{From: instant(rows[i].Since), Offset: microseconds(rows[i].Ahead)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silences = all
	return all, nil
}

// advance is look for a transaction that decides: a silence that nobody has
// opened yet is opened first, in this transaction. Lock order: an agent's row,
// then the clock's.
func (s *Store) advance(c *conn) (moment, error) {
	m, err := s.look(c)
	if err != nil || !m.silent {
		return m, err
	}
	return s.beat(c, m.started)
}

// beat locks the clock and moves it on. Without mark the clock stays one that
// was never started: there are no gaps before the first Beat.
func (s *Store) beat(c *conn, mark bool) (moment, error) {
	if err := lockClock(c); err != nil {
		return moment{}, err
	}
	m, err := s.look(c)
	if err != nil {
		return moment{}, err
	}
	if !mark {
		m.row.LastWall = 0
	}
	if m.silent {
		if _, err := c.exec(`INSERT INTO silences (since, ahead) VALUES (?, ?)`, m.row.Since, m.row.Ahead); err != nil {
			return moment{}, err
		}
	}
	if _, err := c.exec(`UPDATE service_clock SET last_wall = ?, last_service = ?, silences = ?, since = ?, ahead = ? WHERE id = 1`,
		m.row.LastWall, m.row.LastService, m.row.Silences, m.row.Since, m.row.Ahead); err != nil {
		return moment{}, err
	}
	return m, nil
}

func lockClock(c *conn) error {
	var id int64
	return notMigrated(c.get(&id, `SELECT id FROM service_clock WHERE id = 1 {lock}`))
}

// Beat implements engine.Store. Before the first one ever, service time is wall
// time.
func (s *Store) Beat(ctx context.Context) error {
	var m moment
	err := s.writingOn(ctx, s.clock, "beat", func(c *conn) (err error) {
		m, err = s.beat(c, true)
		return err
	})
	if err == nil && m.silent {
		s.log.WarnContext(ctx, "no heartbeat could be taken for a while, or the clock has leapt; every timer stood still",
			"ahead", m.clock.Offset(), "service", m.now, "wall", m.wall)
	}
	return err
}

package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func queued(id, host, occurrence string, isUrgent bool) *item {
	return newItem(Delivery{ID: id, Agent: "a", Occurrence: occurrence, URL: "http://" + host + ":1/", Urgent: isUrgent}, time.Time{})
}

func take(q *queue) (ids []string) {
	for it := q.next(); it != nil; it = q.next() {
		ids = append(ids, it.delivery.ID)
	}
	return ids
}

// Hosts take turns: a long line for one does not keep another waiting.
func TestHostsTakeTurns(t *testing.T) {
	t.Parallel()
	q := newQueue(2)
	for i := range 4 {
		q.push(queued(fmt.Sprintf("a%d", i), "a", "", false))
	}
	q.push(queued("b0", "b", "", false))
	q.push(queued("c0", "c", "", false))
	if got := take(q); !slices.Equal(got, []string{"a0", "b0", "c0", "a1"}) {
		t.Errorf("%v", got)
	}
	q.end(queued("a0", "a", "", false))
	if got := take(q); !slices.Equal(got, []string{"a2"}) {
		t.Errorf("%v", got)
	}
}

// What is urgent goes first and may use as many places again.
func TestUrgentGoesFirst(t *testing.T) {
	t.Parallel()
	q := newQueue(1)
	q.push(queued("o0", "a", "x", false))
	q.push(queued("o1", "a", "y", false))
	q.push(queued("b0", "b", "z", false))
	q.push(queued("u0", "a", "x", true))
	q.push(queued("u1", "a", "x", true))
	q.push(queued("u2", "a", "x", true))
	if got := take(q); !slices.Equal(got, []string{"u0", "u1", "b0"}) {
		t.Errorf("%v", got)
	}
}

// Two deliveries for one occurrence keep their order, even to different hosts.
func TestALaneKeepsItsOrder(t *testing.T) {
	t.Parallel()
	q := newQueue(9)
	first := queued("1", "old", "x", false)
	q.push(first)
	q.push(queued("2", "new", "x", false))
	q.push(queued("3", "new", "x", false))
	if got := take(q); !slices.Equal(got, []string{"1"}) {
		t.Errorf("%v", got)
	}
	q.end(first)
	if got := take(q); !slices.Equal(got, []string{"2"}) {
		t.Errorf("%v", got)
	}
}

// model runs a queue against what must hold of it after every step.
type model struct {
	q        *queue
	perHost  int
	made     int
	waiting  map[string]*item
	underWay map[string]*item
}

func (m *model) check(t *rapid.T) {
	hosts, lanes := map[string]int{}, map[string]int{}
	for _, it := range m.underWay {
		hosts[it.host]++
		if it.lane != "" {
			lanes[it.lane]++
		}
	}
	for h, n := range hosts {
		if n > 2*m.perHost {
			t.Fatalf("%d under way to %s", n, h)
		}
	}
	for l, n := range lanes {
		if n > 1 {
			t.Fatalf("%d under way in lane %s", n, l)
		}
	}
	if m.q.waiting != len(m.waiting) {
		t.Fatalf("%d waiting, want %d", m.q.waiting, len(m.waiting))
	}
	if len(m.waiting)+len(m.underWay) > 0 {
		return
	}
	if it := m.q.next(); it != nil || len(m.q.hosts)+len(m.q.lanes) > 0 {
		t.Fatalf("empty, but it has %v and remembers %d hosts and %d lanes", it, len(m.q.hosts), len(m.q.lanes))
	}
}

// stuck says whether something waits that nothing keeps from being handed out.
func (m *model) stuck() *item {
	hosts, lanes := map[string]int{}, map[string]bool{}
	for _, it := range m.underWay {
		hosts[it.host]++
		lanes[it.lane] = true
	}
	for _, it := range m.waiting {
		limit := m.perHost
		if it.delivery.Urgent {
			limit *= 2
		}
		if hosts[it.host] < limit && (it.lane == "" || !lanes[it.lane] && !m.ahead(it)) {
			return it
		}
	}
	return nil
}

// ahead says whether another of the lane waits: it may wait for a busy host.
func (m *model) ahead(it *item) bool {
	for _, other := range m.waiting {
		if other != it && other.lane == it.lane {
			return true
		}
	}
	return false
}

// Nothing is lost, nothing is doubled, no bound is exceeded, and whatever can be
// handed out is.
func TestTheQueueKeepsItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		perHost := rapid.IntRange(1, 3).Draw(t, "perHost")
		m := &model{q: newQueue(perHost), perHost: perHost, waiting: map[string]*item{}, underWay: map[string]*item{}}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				m.made++
				it := queued(fmt.Sprint(m.made), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "host"),
					rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "occurrence"), rapid.Bool().Draw(t, "urgent"))
				m.waiting[it.delivery.ID] = it
				m.q.push(it)
			},
			"next": func(t *rapid.T) {
				it := m.q.next()
				if it == nil {
					if s := m.stuck(); s != nil {
						t.Fatalf("%s could be handed out", s.delivery.ID)
					}
					return
				}
				id := it.delivery.ID
				if m.waiting[id] == nil {
					t.Fatalf("%s was handed out twice", id)
				}
				delete(m.waiting, id)
				m.underWay[id] = it
				ordinaryUnderWay := 0
				for _, other := range m.underWay {
					if other.host == it.host {
						ordinaryUnderWay++
					}
				}
				if !it.delivery.Urgent && ordinaryUnderWay > perHost {
					t.Fatalf("%s makes %d under way to %s", id, ordinaryUnderWay, it.host)
				}
			},
			"end": func(t *rapid.T) {
				if len(m.underWay) == 0 {
					return
				}
				ids := make([]string, 0, len(m.underWay))
				for id := range m.underWay {
					ids = append(ids, id)
				}
				slices.Sort(ids)
				id := rapid.SampledFrom(ids).Draw(t, "ended")
				if rapid.Bool().Draw(t, "slow") {
					m.q.markSlow(m.underWay[id])
				}
				m.q.end(m.underWay[id])
				delete(m.underWay, id)
			},
			"withdraw": func(t *rapid.T) {
				host := rapid.SampledFrom([]string{"http://a:1", "http://b:1", "http://c:1", ""}).Draw(t, "host")
				for _, it := range m.q.withdraw(func(it *item) bool { return host == "" || it.host == host }) {
					if m.waiting[it.delivery.ID] == nil {
						t.Fatalf("%s was withdrawn and did not wait", it.delivery.ID)
					}
					delete(m.waiting, it.delivery.ID)
				}
				for _, it := range m.waiting {
					if host == "" || it.host == host {
						t.Fatalf("%s was not withdrawn", it.delivery.ID)
					}
				}
			},
			"": m.check,
		})
	})
}

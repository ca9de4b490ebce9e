package dispatch

import "time"

// class orders what waits for one host.
type class int

const (
	urgent class = iota
	ordinary
	classes
)

// queue holds claimed deliveries that cannot be sent yet, and counts those that
// are under way. It hands out one of each host in turn, never more than perHost
// of one host at a time and never two of one lane; urgent ones go first, in no
// lane, and up to as many again to a host that is full. It is not safe for
// concurrent use.
type queue struct {
	perHost int
	waiting int
	hosts   map[string]*host
	turns   [classes][]*host // those that may have something to hand out, next first
	lanes   map[string]*lane
}

type host struct {
	name     string
	underWay int
	slow     int // of those under way
	lines    [classes]line
}

// line is what waits for a host in one class.
type line struct {
	items  []*item
	inTurn bool
}

// lane is an occurrence that something is queued or under way for. What else
// comes for it waits here.
type lane struct {
	behind []*item
}

func newQueue(perHost int) *queue {
	return &queue{perHost: perHost, hosts: map[string]*host{}, lanes: map[string]*lane{}}
}

func (q *queue) push(it *item) {
	q.waiting++
	if it.lane != "" {
		if l := q.lanes[it.lane]; l != nil {
			l.behind = append(l.behind, it)
			return
		}
		q.lanes[it.lane] = &lane{}
	}
	q.line(it)
}

// line puts an item that holds its lane into its host's line.
func (q *queue) line(it *item) {
	h := q.hosts[it.host]
	if h == nil {
		h = &host{name: it.host}
		q.hosts[it.host] = h
	}
	l := &h.lines[it.class()]
	l.items = append(l.items, it)
	q.offer(h)
}

// offer gives h a turn in each class in which it has something to hand out.
func (q *queue) offer(h *host) {
	for c := range classes {
		if l := &h.lines[c]; !l.inTurn && q.ready(h, c) {
			l.inTurn = true
			q.turns[c] = append(q.turns[c], h)
		}
	}
}

func (q *queue) ready(h *host, c class) bool {
	limit := q.perHost
	if c == urgent {
		limit *= 2
	}
	return len(h.lines[c].items) > 0 && h.underWay < limit
}

// next hands out an item, which is under way from then on; nil when none can be.
func (q *queue) next() *item {
	for c := range classes {
		for len(q.turns[c]) > 0 {
			h := q.turns[c][0]
			q.turns[c] = q.turns[c][1:]
			l := &h.lines[c]
			l.inTurn = false
			if !q.ready(h, c) {
				q.forget(h)
				continue
			}
			it := l.items[0]
			l.items = l.items[1:]
			h.underWay++
			q.waiting--
			q.offer(h)
			return it
		}
	}
	return nil
}

// end takes back what next has handed out.
func (q *queue) end(it *item) {
	h := q.hosts[it.host]
	h.underWay--
	if it.slow {
		h.slow--
	}
	q.leave(it)
	q.offer(h)
	q.forget(h)
}

// leave frees the item's lane for the next one in it.
func (q *queue) leave(it *item) {
	l := q.lanes[it.lane]
	if l == nil {
		return
	}
	if len(l.behind) == 0 {
		delete(q.lanes, it.lane)
		return
	}
	following := l.behind[0]
	l.behind = l.behind[1:]
	q.line(following)
}

// markSlow says that an item under way is one that takes long.
func (q *queue) markSlow(it *item) {
	it.slow = true
	q.hosts[it.host].slow++
}

// congested says whether the host has no place for another ordinary delivery and
// will not have many soon.
func (q *queue) congested(name string) bool {
	h := q.hosts[name]
	return h != nil && h.slow > 0 && h.underWay >= q.perHost
}

// withdraw removes the waiting items that match.
func (q *queue) withdraw(match func(*item) bool) []*item {
	var out []*item
	for _, l := range q.lanes {
		l.behind = split(l.behind, match, &out)
	}
	for _, h := range q.hosts {
		first := len(out)
		for c := range h.lines {
			h.lines[c].items = split(h.lines[c].items, match, &out)
		}
		for _, it := range out[first:] {
			q.leave(it)
		}
		q.forget(h)
	}
	q.waiting -= len(out)
	return out
}

// split moves what matches from list to out and returns the rest.
func split(list []*item, match func(*item) bool, out *[]*item) []*item {
	rest := list[:0]
	for _, it := range list {
		if match(it) {
			*out = append(*out, it)
		} else {
			rest = append(rest, it)
		}
	}
	clear(list[len(rest):])
	return rest
}

func (q *queue) forget(h *host) {
	if h.underWay > 0 {
		return
	}
	for c := range h.lines {
		if h.lines[c].inTurn || len(h.lines[c].items) > 0 {
			return
		}
	}
	delete(q.hosts, h.name)
}

// oldest is when the item that has waited longest was claimed.
func (q *queue) oldest() (claimed time.Time, found bool) {
	look := func(list []*item) {
		for _, it := range list {
			if !found || it.claimed.Before(claimed) {
				claimed, found = it.claimed, true
			}
		}
	}
	for _, l := range q.lanes {
		look(l.behind)
	}
	for _, h := range q.hosts {
		for c := range h.lines {
			look(h.lines[c].items)
		}
	}
	return claimed, found
}

package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/memstore"
)

const trailOfScout = "/v1/agents/scout/events"

// Rule 10.8: a stream begins at once, with a comment and retry, may not be stored or
// held back on the way, and sends a comment every 15 s, whatever else it sends.
func TestStreamKeepsTheLineOpen(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.want(200, "PUT", "/v1/agents/scout", "")
		l := h.open(trailOfScout)
		defer l.close()
		synctest.Wait()
		text := l.take()
		if begin, rest, _ := strings.Cut(text, "\n\n"); !strings.HasPrefix(begin, ":") || !strings.HasSuffix(begin, "\nretry: 2000") || !strings.HasPrefix(rest, "id: 1\n") {
			t.Errorf("it begins with %q", text)
		}
		for name, value := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
			if got := l.header.Get(name); got != value || l.status != 200 {
				t.Errorf("%d, %s: %q, want %q", l.status, name, got, value)
			}
		}
		for minute := range 4 { // of a quarter each
			<-time.After(14900 * time.Millisecond)
			h.want(200, "PUT", "/v1/agents/scout", "") // an event is no comment
			synctest.Wait()
			if events, comments := readEvents(t, l.take()); len(events) != 1 || comments != 0 {
				t.Errorf("quarter %d: %d events and %d comments", minute, len(events), comments)
			}
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
			if text := l.take(); text != ":\n\n" {
				t.Errorf("after quarter %d: %q", minute, text)
			}
		}
	})
}

// Rule 10.8: a stream is asked for with Accept; everything else is answered with a
// page, HEAD too, and what is refused with a problem document.
func TestStreamIsAskedFor(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.fleet("scout", "default")
		r := h.shutdown("scout", "")
		for _, target := range []string{trailOfScout, rolloutPath(r) + "/events"} {
			for _, accept := range []string{"Accept: ", "Accept: */*", "Accept: application/json", "Accept: text/event-stream;q=0", "Accept: application/json, text/event-stream; q=0.0"} {
				if w := h.want(200, "GET", target, "", accept); w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: %s", accept, w.Header().Get("Content-Type"))
				}
			}
			if w := h.want(200, "HEAD", target, "", "Accept: text/event-stream"); w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("HEAD: %s", w.Header().Get("Content-Type"))
			}
			for _, accept := range []string{"Accept: TEXT/Event-Stream", "Accept: application/json;q=0.1, text/event-stream"} {
				l := h.open(target, accept)
				synctest.Wait()
				l.close()
				if got := l.header.Get("Content-Type"); got != "text/event-stream" {
					t.Errorf("%s: %s", accept, got)
				}
			}
		}
		h.want(404, "GET", "/v1/agents/nobody/events", "", "Accept: text/event-stream")
		h.want(404, "GET", "/v1/rollouts/nothing/events", "", "Accept: text/event-stream")
		h.want(403, "GET", trailOfScout, "", "Accept: text/event-stream", by("alarm"))
		h.want(422, "GET", trailOfScout+"?after=-1", "", "Accept: text/event-stream")
	})
}

// Rule 10.8: over however many broken lines, whoever resumes from the last id has
// exactly the log: nothing twice, nothing missing, in order.
func TestStreamResumes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.fleet("scout", "default", "scout-1")
		r := h.shutdown("scout", "")
		trails := map[string]*[]sent{trailOfScout: {}, rolloutPath(r) + "/events": {}}
		for round := range 12 {
			for target, log := range trails {
				var resume []string
				if n := len(*log); n > 0 {
					resume = []string{fmt.Sprintf("Last-Event-ID: %d", (*log)[n-1].id)}
				}
				l := h.open(target+"?after=0", resume...) // weaker than Last-Event-ID
				for l.begun() == 0 {
					<-time.After(time.Millisecond)
				}
				if round%3 > 0 {
					synctest.Wait()
				}
				h.want(200, "PUT", "/v1/agents/scout", "")
				if round%2 > 0 {
					h.shutdown("scout", `,"supersede":true`)
					<-time.After(1100 * time.Millisecond)
				}
				l.close()
				events, _ := readEvents(t, l.take())
				*log = append(*log, events...)
			}
		}
		h.command(h.shutdown("scout", `,"supersede":true`), "abort", "")
		for target, log := range trails {
			l := h.open(fmt.Sprintf("%s?after=%d", target, (*log)[len(*log)-1].id))
			synctest.Wait()
			l.close()
			events, _ := readEvents(t, l.take())
			*log = append(*log, events...)
			list := get[api.EventList](h, target+"?limit=1000").Events
			if len(list) != len(*log) || len(list) < 5 {
				t.Errorf("%s: %d events came, %d happened", target, len(*log), len(list))
				continue
			}
			for i, e := range *log {
				if e.id != list[i].Seq || e.event.Hash != list[i].Hash {
					t.Errorf("%s: event %d came, %d happened", target, e.id, list[i].Seq)
				}
			}
		}
	})
}

// Rule 10.8: Last-Event-ID may be the head; then only what is new comes.
func TestStreamFromTheHead(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		for range 700 { // more than are read at once
			h.want(200, "PUT", "/v1/agents/scout", "")
		}
		whole, head := h.open(trailOfScout), h.open(trailOfScout, "Last-Event-ID: 700")
		defer whole.close()
		defer head.close()
		synctest.Wait()
		if events, _ := readEvents(t, whole.take()); len(events) != 700 || events[699].id != 700 {
			t.Errorf("%d events", len(events))
		}
		if events, _ := readEvents(t, head.take()); len(events) != 0 {
			t.Errorf("after the head: %v", events)
		}
		h.want(200, "PUT", "/v1/agents/scout", "")
		synctest.Wait()
		for _, l := range []*line{whole, head} {
			if events, _ := readEvents(t, l.take()); len(events) != 1 || events[0].id != 701 {
				t.Errorf("what is new: %v", events)
			}
		}
	})
}

// Rule 10.8: a stream shows what another replica does within a second.
func TestStreamSeesOtherReplicas(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.want(200, "PUT", "/v1/agents/scout", "")
		l := h.open(trailOfScout)
		defer l.close()
		<-time.After(1500 * time.Millisecond)
		l.take()
		h.replica().want(200, "PUT", "/v1/agents/scout", "")
		<-time.After(time.Second)
		synctest.Wait()
		if events, _ := readEvents(t, l.take()); len(events) != 1 {
			t.Errorf("a second later: %v", events)
		}
	})
}

// Rule 10.8: a stream ends when the database goes away, and can be resumed when it
// is back.
func TestStreamEndsWithTheDatabase(t *testing.T) {
	var away atomic.Bool
	fault := func(op string) memstore.FaultKind {
		if away.Load() && op == "View" {
			return memstore.FaultBefore
		}
		return memstore.NoFault
	}
	bubble(t, fault, func(t *testing.T, h *house) {
		h.want(200, "PUT", "/v1/agents/scout", "")
		l := h.open(trailOfScout)
		synctest.Wait()
		away.Store(true)
		<-l.done
		h.want(503, "GET", trailOfScout, "", "Accept: text/event-stream", "Last-Event-ID: 1")
		away.Store(false)
		resumed := h.open(trailOfScout, "Last-Event-ID: 1")
		defer resumed.close()
		h.want(200, "PUT", "/v1/agents/scout", "")
		synctest.Wait()
		if events, _ := readEvents(t, resumed.take()); len(events) != 1 || events[0].id != 2 {
			t.Errorf("resumed: %v", events)
		}
	})
}

// Rule 10.8: a stream outlives the time that a server gives its answers, and ends
// when the server stops, so that it stops at once.
func TestStreamEndsWithTheServer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.want(200, "PUT", "/v1/agents/scout", "")
		base, stop := context.WithCancel(t.Context())
		client := h.listen(base)
		r := request(t.Context(), "GET", "http://localhost"+trailOfScout, "", "Accept: text/event-stream")
		r.RequestURI = ""
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		lines := bufio.NewReader(answer.Body)
		var seen []string
		for !slices.Contains(seen, ":\n") {
			text, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("after %s and %q: %v", time.Since(began), seen, err)
			}
			seen = append(seen, text)
		}
		if took := time.Since(began); took != 15*time.Second || answer.StatusCode != http.StatusOK {
			t.Errorf("%d, a comment after %s", answer.StatusCode, took)
		}
		<-time.After(time.Second)
		began = time.Now()
		stop()
		if rest, err := io.ReadAll(lines); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || string(rest) != "\n" {
			t.Errorf("then came %q (%v)", rest, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it ended after %s", took)
		}
	})
}

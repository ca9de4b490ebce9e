package rollout_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestPeerResults is rule 4.22: the instruction to a later wave says how the
// earlier ones went: per wave total, reached, failed, median time to reach. Who
// was skipped took no part, and a wave that was skipped is none.
func TestPeerResults(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(8)...)
	s.idle(ids(8)...)
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", sized(5), delayed(time.Minute), within(time.Minute)), groupOf("c", sized(1), delayed(time.Minute)), groupOf("d", remaining()))
	if peers := s.lastTold("o1", rollout.Wake).Peers; peers != nil {
		t.Errorf("the first wave is told of %+v", peers)
	}
	s.keepAlive(20 * time.Second)
	s.report("o1", discovery.Work)
	s.silent("o6")
	s.keepAlive(time.Minute) // 1:20, b starts without o6
	s.wantMember(id, "o6", rollout.MemberSkipped)
	a := rollout.PeerResult{Wave: 1, Group: "a", Total: 1, Reached: 1, MedianTimeToReach: 20 * time.Second}
	for _, o := range []string{"o2", "o5"} {
		if peers := s.lastTold(o, rollout.Wake).Peers; !reflect.DeepEqual(peers, []rollout.PeerResult{a}) {
			t.Errorf("%s is told of %+v", o, peers)
		}
	}
	s.keepAlive(10 * time.Second)
	s.report("o4", discovery.Work) // after 10 s: b passes
	s.keepAlive(20 * time.Second)
	s.report("o2", discovery.Work) // after 30 s
	s.keepAlive(25 * time.Second)
	s.report("o5", discovery.Work) // after 55 s
	s.leave("o7")                  // the only one of c
	s.keepAlive(time.Minute)
	s.want(id, "1 a passed: o1=reached", "2 b passed: o2=reached o3=failed o4=reached o5=reached o6=skipped", "3 c skipped: o7=skipped", "4 d running: o8=instructed")
	b := rollout.PeerResult{Wave: 2, Group: "b", Total: 4, Reached: 3, Failed: 1, MedianTimeToReach: 30 * time.Second}
	if peers := s.lastTold("o8", rollout.Wake).Peers; !reflect.DeepEqual(peers, []rollout.PeerResult{a, b}) {
		t.Errorf("o8 is told of %+v", peers)
	}
}

// TestPeerMedian is rule 4.22: the median of those who reached, and none where
// nobody did.
func TestPeerMedian(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(6)...)
	s.idle(ids(6)...)
	s.shut(groupOf("a", sized(1), within(10*time.Second), onFailure(rollout.GoOn)), groupOf("b", sized(4), within(100*time.Second), needs(rollout.Count(3))), groupOf("c", remaining()))
	s.keepAlive(10 * time.Second)
	failed := rollout.PeerResult{Wave: 1, Group: "a", Total: 1, Failed: 1, MedianTimeToReach: -1}
	if peers := s.lastTold("o2", rollout.Stop).Peers; !reflect.DeepEqual(peers, []rollout.PeerResult{failed}) {
		t.Errorf("where nobody reached: %+v", peers)
	}
	for _, o := range []string{"o3", "o5", "o2"} { // after 5, 45 and 85 s
		s.keepAlive(5 * time.Second)
		s.report(o, discovery.Stopped)
		s.keepAlive(35 * time.Second)
	}
	want := rollout.PeerResult{Wave: 2, Group: "b", Total: 4, Reached: 3, MedianTimeToReach: 45 * time.Second}
	if peers := s.lastTold("o6", rollout.Stop).Peers; len(peers) != 2 || peers[1] != want {
		t.Errorf("o6 is told of %+v, want %+v", peers, want)
	}
}

// TestPeerTimesAfterARestart is rule 4.22: a member that was told again, and got
// there again, took the time since it was told, which is never less than none.
func TestPeerTimesAfterARestart(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	s.wakeUp(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute)))
	s.keepAlive(5 * time.Second)
	s.report("o1", discovery.Work)
	s.keepAlive(15 * time.Second)
	s.boot("o1") // told again at 0:20
	s.keepAlive(7 * time.Second)
	s.report("o1", discovery.Work)
	s.keepAlive(time.Minute)
	if peers := s.lastTold("o2", rollout.Wake).Peers; len(peers) != 1 || peers[0].MedianTimeToReach != 7*time.Second {
		t.Errorf("o2 is told of %+v", peers)
	}
}

// TestPeerTimesOfTheUntold is rule 4.22: who needed no telling took the time since
// its wave started.
func TestPeerTimesOfTheUntold(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.fleetOf(discovery.Wakeup, "o3")
	s.idle(ids(3)...)
	s.wakeUp(groupOf("a", sized(2)), groupOf("b", remaining(), delayed(time.Minute)))
	s.keepAlive(70 * time.Second)
	want := rollout.PeerResult{Wave: 1, Group: "a", Total: 2, Reached: 2, MedianTimeToReach: 10 * time.Second}
	if peers := s.lastTold("o3", rollout.Wake).Peers; !reflect.DeepEqual(peers, []rollout.PeerResult{want}) {
		t.Errorf("o3 is told of %+v", peers)
	}
}

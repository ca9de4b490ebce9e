package rollout

import (
	"slices"
	"time"
)

// peers is what the members of a wave are told of those before it. It is the
// same for all who are told at one instant, so it is made once.
func (w *world) peers(r *Rollout, v *Wave) []PeerResult {
	key := peersKey{r.ID, r.index(v), w.now}
	if w.peersMade != key {
		w.peersMade, w.peersWere = key, r.peers(v)
	}
	return w.peersWere
}

type peersKey struct {
	rollout string
	wave    int
	at      time.Time
}

// peers says how the waves before v went (rule 4.22).
func (r *Rollout) peers(v *Wave) []PeerResult {
	var results []PeerResult
	for i := range r.Waves {
		before := &r.Waves[i]
		if before == v {
			break
		}
		if before.Status == WaveSkipped {
			continue
		}
		result := PeerResult{Wave: i + 1, Group: before.Name, MedianTimeToReach: -1}
		var took []time.Duration
		for j := range before.Members {
			m := &before.Members[j]
			if m.Status == MemberSkipped {
				continue
			}
			result.Total++
			if m.Status == MemberFailed {
				result.Failed++
			}
			if m.Status == MemberReached {
				result.Reached++
				from := m.InstructedAt
				if from.IsZero() {
					from = before.StartedAt
				}
				took = append(took, m.ReachedAt.Sub(from))
			}
		}
		if len(took) > 0 {
			slices.Sort(took)
			result.MedianTimeToReach = took[(len(took)-1)/2]
		}
		results = append(results, result)
	}
	return results
}

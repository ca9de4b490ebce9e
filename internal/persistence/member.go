package persistence

import (
	"github.com/go-json-experiment/json"

	"github.com/cirisai/orchestrator/internal/rollout"
)

func encodeMember(m *rollout.Member) (string, error) { return document(m) }

// decodeMember reads what encodeMember has written. There may be ten thousand in
// a rollout, so this takes the faster decoder.
func decodeMember(doc []byte, m *rollout.Member) error { return json.Unmarshal(doc, m) }

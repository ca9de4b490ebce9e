package persistence

import (
	"encoding/json"

	"github.com/cirisai/orchestrator/internal/rollout"
)

func encodeMember(m rollout.Member) (string, error) { return document(m) }

func decodeMember(_ string, doc []byte) (rollout.Member, error) {
	var m rollout.Member
	err := json.Unmarshal(doc, &m)
	return m, err
}

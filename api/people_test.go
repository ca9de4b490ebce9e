package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/engine"
)

// person is a principal: its rights are for one agent, and in it for one
// occurrence, where these are named.
type person struct {
	actor             string
	agent, occurrence string
	rights            []api.Right
	wait              time.Duration // until its next request is let in
}

func (p person) Actor() string { return p.actor }

func (p person) Can(right api.Right) bool { return slices.Contains(p.rights, right) }

func (p person) May(right api.Right, agentID, occurrenceID string) bool {
	ofAgent := right == api.RightReadOwn && occurrenceID == ""
	return p.Can(right) && (p.agent == "" || p.agent == agentID) && (ofAgent || p.occurrence == "" || p.occurrence == occurrenceID)
}

var (
	everything = []api.Right{api.RightRead, api.RightReadOwn, api.RightOperate, api.RightTakePart, api.RightEmergency}
	operating  = []api.Right{api.RightRead, api.RightOperate, api.RightEmergency}
	takingPart = []api.Right{api.RightTakePart, api.RightReadOwn}
)

// people are who there is, by bearer token, with the rights of section 12's scopes.
var people = map[string]person{
	"root":    {actor: "operator:root", rights: everything},
	"ann":     {actor: "operator:ann", rights: operating},
	"bob":     {actor: "operator:bob", agent: "scout", rights: operating},
	"viewer":  {actor: "operator:viewer", rights: []api.Right{api.RightRead}},
	"alarm":   {actor: "operator:alarm", rights: []api.Right{api.RightEmergency}},
	"default": {actor: "occurrence:default", agent: "scout", occurrence: "default", rights: takingPart},
	"scout-1": {actor: "occurrence:scout-1", agent: "scout", occurrence: "scout-1", rights: takingPart},
	"slow":    {actor: "operator:slow", rights: everything, wait: 1200 * time.Millisecond},
}

// by is the header by which a person is known.
func by(token string) string { return "Authorization: Bearer " + token }

// stranger is why somebody is not let in.
type stranger struct{}

func (stranger) Error() string { return "a bearer token is wanted" }
func (stranger) Code() string  { return string(api.ErrorCodeUnauthorized) }

// authenticate knows people by their token. The token "away" cannot be looked up now.
func authenticate(r *http.Request) (api.Principal, error) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "away" {
		return nil, fmt.Errorf("look up a token: %w", engine.ErrUnavailable)
	}
	if p, known := people[token]; known && bearer {
		return p, nil
	}
	return nil, stranger{}
}

// throttle makes those wait who have to.
func throttle(p api.Principal) time.Duration {
	if known, ok := p.(person); ok {
		return known.wait
	}
	return 0
}

package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/api"
)

// Rules 5.4 and 7.6: no answer shows a callback_secret, that of the registration
// itself included, and it stays when a registration leaves it out. The token of a
// claim is shown to its holder alone. (Every answer of these tests is searched for
// the secret; this test makes the answers.)
func TestNothingSecretIsShown(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default", "scout-1")
		path := occurrencePath("scout", "default")
		h.want(200, "PUT", path, `{"boot_id":"boot-default","callback_secret":"`+secret+`"}`)
		h.want(200, "PUT", path, `{"boot_id":"boot-default","callback_url":"https://scout.example.net/"}`)
		if kept := h.dump(); !strings.Contains(kept, secret) {
			t.Fatal("the secret was not kept, so nothing can be found")
		}
		r := post[api.Rollout](h, 201, "/v1/agents/scout/shutdowns", `{"reason":"r"}`, key("k"))
		token := h.claim(r, "default", bootOf("default"))
		body := `{"occurrence_id":"default","claim_token":"` + token + `","verdict":"accept","reasoning":"r"}`
		h.want(422, "POST", rolloutPath(r)+"/decision", strings.Replace(body, "accept", "agree", 1))
		h.want(409, "POST", rolloutPath(r)+"/claim", `{"occurrence_id":"scout-1","boot_id":"boot-scout-1"}`)
		h.want(200, "POST", rolloutPath(r)+"/decision", body)
		h.command(r, "abort", "")
		for _, target := range []string{
			"/v1/agents", "/v1/agents/scout", "/v1/agents/scout/plan", "/v1/agents/scout/shared-tasks/shutdown", "/v1/agents/scout/occurrences", path,
			pollPath("scout", "scout-1"), pollPath("scout", "default"), "/v1/agents/scout/events", "/v1/rollouts", rolloutPath(r), rolloutPath(r) + "/events",
			"/v1/incidents", "/metrics", "/.well-known/webhook-keys",
		} {
			if w := h.want(200, "GET", target, ""); strings.Contains(w.Body.String(), token) {
				t.Errorf("%s shows the token of a claim: %s", target, w.Body)
			}
		}
		if w := h.want(201, "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`, key("k")); strings.Contains(w.Body.String(), token) {
			t.Errorf("a kept answer shows the token of a claim: %s", w.Body)
		}
		// A secret that is refused is not repeated either.
		for i, bad := range []string{strings.ToUpper(secret), secret + "*", secret[6:]} {
			w := h.want(422, "PUT", path, fmt.Sprintf(`{"boot_id":"boot-default","callback_secret":%q}`, bad))
			if strings.Contains(w.Body.String(), bad) {
				t.Errorf("refusal %d repeats the secret: %s", i, w.Body)
			}
		}
	})
}

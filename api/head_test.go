package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// Rule 10.6: HEAD is what GET would be, without the body; where there is no GET
// there is no HEAD.
func TestHEAD(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.fleet("scout", "default")
		r := h.shutdown("scout", "")
		h.want(200, "GET", rolloutPath(r), "")
		client := h.listen(t.Context())
		for _, op := range h.judge.operations() {
			target, _ := h.judge.plainCall(t, op)
			if op.id == "GetRollout" || op.id == "ListRolloutEvents" {
				target = rolloutPath(r) + target[len("/v1/rollouts/ro_1"):]
			}
			head := h.send("HEAD", target, "")
			if op.method != "GET" {
				if allowed := head.Header().Get("Allow"); !slices.Contains([]int{200, 405}, head.Code) || head.Code == 405 && allowed == "" {
					t.Errorf("HEAD of %s: %d, Allow %q", op.id, head.Code, allowed)
				}
				continue
			}
			whole := h.want(200, "GET", target, "")
			if head.Code != 200 {
				t.Errorf("HEAD of %s: %d", op.id, head.Code)
			}
			for _, name := range []string{"Content-Type", "ETag", "Cache-Control"} {
				if a, b := head.Header().Get(name), whole.Header().Get(name); a != b {
					t.Errorf("HEAD of %s: %s %q, GET %q", op.id, name, a, b)
				}
			}
			h.bodiless(client, target, whole)
		}
	})
}

// bodiless wants HEAD to have no body, over a connection that then serves on.
func (h *house) bodiless(client *http.Client, target string, whole *httptest.ResponseRecorder) {
	h.t.Helper()
	r := request(h.t.Context(), "HEAD", "http://localhost"+target, "")
	r.RequestURI = ""
	answer, err := client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || len(body) > 0 || answer.StatusCode != whole.Code {
		h.t.Errorf("HEAD %s: %d %q (%v)", target, answer.StatusCode, body, err)
	}
	if err := answer.Body.Close(); err != nil {
		h.t.Error(err)
	}
}

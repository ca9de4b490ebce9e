package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 32 << 20

// Refusal is an answer other than 2xx.
type Refusal struct {
	Status int
	// Problem is the document that the service answers with; nil where something else answered, such as a proxy.
	Problem *Problem
	// RetryAfter is how long the service asks to be left alone; 0 where it does not.
	RetryAfter time.Duration
}

// Error says what the service said.
func (r *Refusal) Error() string {
	if r.Problem == nil {
		return fmt.Sprintf("%d %s, and no problem document", r.Status, http.StatusText(r.Status))
	}
	text := r.Problem.Title
	if r.Problem.Detail != nil {
		text = *r.Problem.Detail
	}
	for _, e := range r.Problem.Errors {
		text += "; " + e.Pointer + ": " + e.Detail
	}
	return fmt.Sprintf("%d %s: %s", r.Status, r.Problem.Code, text)
}

// HasCode tells whether err is a refusal with this code.
func HasCode(err error, code ErrorCode) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Problem != nil && r.Problem.Code == code
}

// Read reads the answer of one of the generated calls whole, and closes it:
//
//	rollout, err := client.Read[client.Rollout](api.GetRollout(ctx, id, nil))
//
// An answer other than 2xx is a *[Refusal]. It is of no use for streams.
func Read[T any](response *http.Response, err error) (T, error) {
	var value T
	if err != nil {
		return value, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end, or is of no use
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return value, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return value, refusal(response, body)
	}
	if response.StatusCode == http.StatusNoContent {
		return value, nil
	}
	if err := json.Unmarshal(body, &value); err != nil {
		return value, fmt.Errorf("read the answer %d: %w", response.StatusCode, err)
	}
	return value, nil
}

func refusal(response *http.Response, body []byte) *Refusal {
	r := &Refusal{Status: response.StatusCode}
	// The date of the same answer is what an absolute time is relative to; without one it counts from now on.
	date, err := http.ParseTime(response.Header.Get("Date"))
	if header := response.Header.Get("Retry-After"); err == nil || isSeconds(header) {
		r.RetryAfter = webhook.ParseRetryAfter(header, date)
	}
	var p Problem
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		r.Problem = &p
	}
	return r
}

func isSeconds(header string) bool { return header != "" && header[0] >= '0' && header[0] <= '9' }

// fate is what a failed call means for the caller.
type fate int

const (
	fateDone     fate = iota // it was answered 2xx
	fateAgain                // nobody answered, or not now: try again
	fateRegister             // the service does not know this boot: register, then go on (rule 2.5)
	fateReplaced             // another boot has taken this one's place: exit (rule 2.5)
	fateStopped              // the service has this boot for stopped (rule 2.6)
	fateRefused              // the service said no, and will again
)

// fateOf reads an error of a call. What did not come from the service itself, such as a proxy's 404, decides nothing.
func fateOf(err error) fate {
	var r *Refusal
	switch {
	case err == nil:
		return fateDone
	case !errors.As(err, &r) || r.Problem == nil:
		return fateAgain
	case r.Problem.Code == ErrorCodeUnknownBoot:
		return fateRegister
	case r.Problem.Code == ErrorCodeBootReplaced:
		return fateReplaced
	case r.Problem.Code == ErrorCodeBootStopped:
		return fateStopped
	case r.Status == http.StatusTooManyRequests, r.Status == http.StatusRequestTimeout, r.Status >= 500:
		return fateAgain
	default:
		return fateRefused
	}
}

package discovery

import "fmt"

// Code is the stable machine-readable name of a refusal.
type Code string

// The refusals that presence knows.
const (
	CodeNotFound     Code = "not_found"
	CodeUnknownBoot  Code = "unknown_boot"
	CodeBootReplaced Code = "boot_replaced"
	CodeBootStopped  Code = "boot_stopped"
)

// FieldError names one input field that a rule refuses.
type FieldError struct {
	Pointer string // JSON pointer into the request body
	Detail  string // what is wanted
}

// Refusal is an input that the rules do not allow. It changes nothing, except
// where a rule says that refusals are counted (rule 2.5). It is the one error
// vocabulary of the core; the edge maps codes to HTTP.
type Refusal struct {
	Code      Code
	Detail    string
	State     string       // of the rollout, for refused commands (rule 4.18)
	Allowed   []string     // commands that are allowed instead (rule 4.18)
	RolloutID string       // the rollout that is in the way (rule 4.1)
	Fields    []FieldError // for input that fails a constraint
}

// Error makes Refusal an error.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Refuse builds a refusal with a formatted detail.
func Refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

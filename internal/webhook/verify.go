package webhook

import (
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// DefaultTolerance is how far a message's time may be from the receiver's, by
// the scheme's recommendation.
const DefaultTolerance = 5 * time.Minute

// maxSignatures bounds the work that one forged request can cause.
const maxSignatures = 16

// Why a message is refused. They are the errors of the Standard Webhooks
// library, so that errors.Is holds for either.
var (
	ErrRequiredHeaders     = standardwebhooks.ErrRequiredHeaders
	ErrInvalidHeaders      = standardwebhooks.ErrInvalidHeaders
	ErrMessageTooOld       = standardwebhooks.ErrMessageTooOld
	ErrMessageTooNew       = standardwebhooks.ErrMessageTooNew
	ErrNoMatchingSignature = standardwebhooks.ErrNoMatchingSignature
)

// ErrNothingToVerify says that a Verifier was made of no key.
var ErrNothingToVerify = errors.New("neither a secret nor a public key to verify with")

// Message is what the signed headers of a genuine message say.
type Message struct {
	ID     string    // the instruction's id, the same on every try
	SentAt time.Time // the time of this try, to the second
}

// Verifier tells a receiver's genuine messages from forgeries. It is safe for
// concurrent use.
type Verifier struct {
	secrets []*standardwebhooks.Webhook
	keys    []ed25519.PublicKey
}

// NewVerifier makes a verifier of secrets ("whsec_...") and published keys
// ("whpk_..."), in any number and mixture: while a key is being changed a
// receiver holds the old and the new one. A bad one is an ErrKey, no key at all
// ErrNothingToVerify.
func NewVerifier(keys ...string) (*Verifier, error) {
	v := &Verifier{}
	for i, s := range keys {
		if err := v.add(s); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	if len(v.secrets)+len(v.keys) == 0 {
		return nil, ErrNothingToVerify
	}
	return v, nil
}

func (v *Verifier) add(s string) error {
	if strings.HasPrefix(s, publicPrefix) {
		key, err := ParsePublicKey(s)
		if err != nil {
			return err
		}
		v.keys = append(v.keys, key)
		return nil
	}
	raw, err := parseSecret(s)
	if err != nil {
		return err
	}
	secret, err := standardwebhooks.NewWebhookRaw(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	v.secrets = append(v.secrets, secret)
	return nil
}

// Verify takes the body exactly as it was received and reports the message, or
// why it is refused: headers missing or malformed, sent more than tolerance
// before or after now, or signed by none of the verifier's keys. One signature
// that fits is enough, v1 or v1a. Secrets are compared in constant time.
//
// A receiver whose clock may be wrong passes its estimate of the service's time
// as now: replays do no harm, since what was acknowledged or withdrawn is acted
// on by nobody (rule 7.3).
func (v *Verifier) Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration) (Message, error) {
	id, stamp, signatures, err := signedHeaders(h)
	if err != nil {
		return Message{}, err
	}
	if err := checkID(id, body); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrInvalidHeaders, err)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamp {
		return Message{}, fmt.Errorf("%w: %s is not a whole number of Unix seconds", ErrInvalidHeaders, HeaderTimestamp)
	}
	m := Message{ID: id, SentAt: time.Unix(seconds, 0).UTC()}
	if !v.matches(m, stamp, body, signatures) {
		return Message{}, fmt.Errorf("%w: offered %s, this receiver verifies %s",
			ErrNoMatchingSignature, schemes(signatures), v.schemes())
	}
	if age := now.Sub(m.SentAt); age > tolerance {
		return Message{}, fmt.Errorf("%w: sent %s ago, at most %s are taken", ErrMessageTooOld, age, tolerance)
	} else if age < -tolerance {
		return Message{}, fmt.Errorf("%w: sent %s ahead, at most %s are taken", ErrMessageTooNew, -age, tolerance)
	}
	return m, nil
}

// signedHeaders reads the three headers. A doubled one is refused: two readers
// could each believe another of the two.
func signedHeaders(h http.Header) (id, stamp string, signatures []string, err error) {
	var values [3]string
	for i, name := range []string{HeaderID, HeaderTimestamp, HeaderSignature} {
		switch all := h.Values(name); {
		case len(all) == 0 || all[0] == "":
			return "", "", nil, fmt.Errorf("%w: %s", ErrRequiredHeaders, name)
		case len(all) > 1:
			return "", "", nil, fmt.Errorf("%w: %s occurs %d times", ErrInvalidHeaders, name, len(all))
		default:
			values[i] = all[0]
		}
	}
	signatures = strings.Fields(values[2])
	if len(signatures) > maxSignatures {
		return "", "", nil, fmt.Errorf("%w: %d signatures, at most %d are looked at", ErrInvalidHeaders, len(signatures), maxSignatures)
	}
	return values[0], values[1], signatures, nil
}

func (v *Verifier) matches(m Message, stamp string, body []byte, signatures []string) bool {
	var content []byte
	for _, signature := range signatures {
		scheme, encoded, _ := strings.Cut(signature, ",")
		switch scheme {
		case schemeHMAC:
			if v.matchesSecret(m, body, signature) {
				return true
			}
		case schemeEd25519:
			if content == nil {
				content = signedContent(m.ID, stamp, body)
			}
			if v.matchesKey(content, encoded) {
				return true
			}
		}
	}
	return false
}

func (v *Verifier) matchesSecret(m Message, body []byte, signature string) bool {
	for _, secret := range v.secrets {
		want, err := secret.Sign(m.ID, m.SentAt, body)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(signature)) == 1 {
			return true
		}
	}
	return false
}

func (v *Verifier) matchesKey(content []byte, encoded string) bool {
	signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return false
	}
	for _, key := range v.keys {
		if ed25519.Verify(key, content, signature) {
			return true
		}
	}
	return false
}

func (v *Verifier) schemes() string {
	switch {
	case len(v.keys) == 0:
		return schemeHMAC
	case len(v.secrets) == 0:
		return schemeEd25519
	default:
		return schemeHMAC + " and " + schemeEd25519
	}
}

// schemes names what a sender offered, for a person who has to find out why it
// was refused.
func schemes(signatures []string) string {
	var hasHMAC, hasEd25519 bool
	for _, s := range signatures {
		scheme, _, _ := strings.Cut(s, ",")
		hasHMAC = hasHMAC || scheme == schemeHMAC
		hasEd25519 = hasEd25519 || scheme == schemeEd25519
	}
	switch {
	case hasHMAC && hasEd25519:
		return schemeHMAC + " and " + schemeEd25519
	case hasHMAC:
		return schemeHMAC
	case hasEd25519:
		return schemeEd25519
	default:
		return "none"
	}
}

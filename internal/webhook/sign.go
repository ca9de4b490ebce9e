package webhook

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The headers of the Standard Webhooks scheme.
const (
	HeaderID        = standardwebhooks.HeaderWebhookID
	HeaderTimestamp = standardwebhooks.HeaderWebhookTimestamp
	HeaderSignature = standardwebhooks.HeaderWebhookSignature
)

// The two signature schemes: HMAC-SHA256 with a shared secret, Ed25519 with the
// service's key.
const (
	schemeHMAC    = "v1"
	schemeEd25519 = "v1a"
)

const maxIDLength = 256

var (
	// ErrNothingToSign says that a Signer was made of neither secret nor key:
	// nothing leaves the service unsigned.
	ErrNothingToSign = errors.New("neither a secret nor a private key to sign with")
	// ErrID says that an id cannot be a webhook-id.
	ErrID = errors.New("not a usable webhook-id")
)

// Signer signs messages for one receiver. It is safe for concurrent use.
type Signer struct {
	secret *standardwebhooks.Webhook // nil: no v1
	key    ed25519.PrivateKey        // nil: no v1a
}

// NewSigner makes a signer of the receiver's secret ("whsec_..."; empty: it
// registered none) and the service's key (nil: none), and signs with whatever it
// has. A bad secret is an ErrKey, none of both ErrNothingToSign.
func NewSigner(secret string, key ed25519.PrivateKey) (*Signer, error) {
	s := &Signer{key: key}
	if secret != "" {
		raw, err := parseSecret(secret)
		if err != nil {
			return nil, err
		}
		if s.secret, err = standardwebhooks.NewWebhookRaw(raw); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
	}
	if s.secret == nil && s.key == nil {
		return nil, ErrNothingToSign
	}
	return s, nil
}

// Sign sets the three headers on h for a message sent at the time at (rule 7.6:
// afresh on each try, the id unchanged). The id must be visible ASCII without a
// full stop: the scheme joins id, time and body by full stops, and an id that
// holds one would let one signature fit two messages. The error is an ErrID.
func (s *Signer) Sign(h http.Header, id string, at time.Time, body []byte) error {
	if err := checkID(id); err != nil {
		return err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	var signatures string
	if s.secret != nil {
		v1, err := s.secret.Sign(id, at, body)
		if err != nil {
			return fmt.Errorf("sign with %s: %w", schemeHMAC, err)
		}
		signatures = v1
	}
	if s.key != nil {
		if signatures != "" {
			signatures += " "
		}
		signature := ed25519.Sign(s.key, signedContent(id, stamp, body))
		signatures += schemeEd25519 + "," + base64.StdEncoding.EncodeToString(signature)
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, stamp)
	h.Set(HeaderSignature, signatures)
	return nil
}

func signedContent(id, stamp string, body []byte) []byte {
	content := make([]byte, 0, len(id)+len(stamp)+len(body)+2)
	content = append(content, id...)
	content = append(content, '.')
	content = append(content, stamp...)
	content = append(content, '.')
	return append(content, body...)
}

func checkID(id string) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("%w: it has %d characters; wanted are 1 to %d", ErrID, len(id), maxIDLength)
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '.' {
			return fmt.Errorf("%w: %q holds %q; wanted is visible ASCII without a full stop", ErrID, id, c)
		}
	}
	return nil
}

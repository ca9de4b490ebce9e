package webhook

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	// ErrNothingToSign says that a Signer was made of neither secret nor key.
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
// afresh on each try, the id unchanged). The id is made of letters, digits and
// the characters . _ ~ and -; with a full stop in it the body must be a JSON
// object. The error is an ErrID.
//
// The scheme joins id, time and body by full stops, so that one signature might
// fit another split of the same text. With these ids it does not: a split further
// to the left gives a body that is no JSON, one further to the right an id with
// a brace in it.
func (s *Signer) Sign(h http.Header, id string, at time.Time, body []byte) error {
	if err := Stamp(h, id, at, body); err != nil {
		return err
	}
	stamp := h.Get(HeaderTimestamp)
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
	h.Set(HeaderSignature, signatures)
	return nil
}

// Stamp sets the headers of a message without a signature: its id and the time at
// which it is sent. The error is an ErrID.
func Stamp(h http.Header, id string, at time.Time, body []byte) error {
	if err := checkID(id, body); err != nil {
		return err
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
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

func checkID(id string, body []byte) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("%w: it has %d characters; wanted are 1 to %d", ErrID, len(id), maxIDLength)
	}
	for i := range len(id) {
		if !isIDByte(id[i]) {
			return fmt.Errorf("%w: %q; wanted are letters, digits and the characters . _ ~ -", ErrID, id)
		}
	}
	if strings.Contains(id, ".") && !bytes.HasPrefix(body, []byte("{")) {
		return fmt.Errorf("%w: %q has a full stop, which is taken only with a JSON object as the body", ErrID, id)
	}
	return nil
}

func isIDByte(c byte) bool { return isHostByte(c) || c == '.' || c == '~' }

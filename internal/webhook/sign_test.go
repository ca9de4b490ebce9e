package webhook

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The message that other implementations of the scheme sign in their tests.
const (
	referenceID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	referenceBody = `{"test": 2432232314}`
	referenceV1   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	referenceV1a  = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

var referenceTime = time.Unix(1614265330, 0)

func mustKey(t testing.TB, s string) ed25519.PrivateKey {
	t.Helper()
	key, err := ParsePrivateKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t testing.TB, secret string, key ed25519.PrivateKey) http.Header {
	t.Helper()
	s, err := NewSigner(secret, key)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := s.Sign(h, referenceID, referenceTime, []byte(referenceBody)); err != nil {
		t.Fatal(err)
	}
	return h
}

// Rule 7.6: v1a with the service's key, v1 as well when a secret was registered.
// The signatures are those of other implementations.
func TestSignGivesTheReferenceSignatures(t *testing.T) {
	t.Parallel()
	key := mustKey(t, referencePrivate)
	for _, c := range []struct {
		name, secret string
		key          ed25519.PrivateKey
		want         string
	}{
		{"secret", referenceSecret, nil, referenceV1},
		{"key", "", key, referenceV1a},
		{"both", referenceSecret, key, referenceV1 + " " + referenceV1a},
		{
			"another key", "", mustKey(t, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="),
			"v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
		},
	} {
		h := signed(t, c.secret, c.key)
		if got := h.Get("webhook-signature"); got != c.want {
			t.Errorf("%s: signature %q, want %q", c.name, got, c.want)
		}
		if got := h.Get("webhook-id"); got != referenceID {
			t.Errorf("%s: id %q", c.name, got)
		}
		if got := h.Get("webhook-timestamp"); got != "1614265330" {
			t.Errorf("%s: timestamp %q", c.name, got)
		}
	}
}

// Rule 7.6: a receiver that uses the scheme's own library accepts what is sent
// with both signatures.
func TestTheLibraryAcceptsOurSignature(t *testing.T) {
	t.Parallel()
	h := signed(t, referenceSecret, mustKey(t, referencePrivate))
	receiver, err := standardwebhooks.NewWebhook(referenceSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.VerifyIgnoringTimestamp([]byte(referenceBody), h); err != nil {
		t.Error(err)
	}
}

// Rule 7.6: signed afresh on each try, the id unchanged.
func TestSignAgainReplacesTheHeaders(t *testing.T) {
	t.Parallel()
	s, err := NewSigner(referenceSecret, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := signed(t, referenceSecret, nil)
	first := h.Get(HeaderSignature)
	if err := s.Sign(h, referenceID, referenceTime.Add(time.Minute), []byte(referenceBody)); err != nil {
		t.Fatal(err)
	}
	if h.Get(HeaderSignature) == first || h.Get(HeaderTimestamp) != "1614265390" || h.Get(HeaderID) != referenceID {
		t.Errorf("second try: %v", h)
	}
	if n := len(h.Values(HeaderSignature)); n != 1 {
		t.Errorf("%d signature headers", n)
	}
}

func TestSignerWantsSomethingToSignWith(t *testing.T) {
	t.Parallel()
	if _, err := NewSigner("", nil); !errors.Is(err, ErrNothingToSign) {
		t.Errorf("got %v", err)
	}
	if _, err := NewSigner("whsec_short", mustKey(t, referencePrivate)); !errors.Is(err, ErrKey) {
		t.Errorf("a bad secret must not be passed over in silence: %v", err)
	}
}

// Rule 2.1: an occurrence's id may hold full stops, and an instruction's id is
// made of it; one with a line break would write headers.
func TestSignChecksTheID(t *testing.T) {
	t.Parallel()
	s, err := NewSigner(referenceSecret, nil)
	if err != nil {
		t.Fatal(err)
	}
	object := []byte(`{"a":1}`)
	for _, id := range []string{"01JH~2~host-1.rack_7~1", "a", strings.Repeat("x", 256)} {
		if err := s.Sign(http.Header{}, id, referenceTime, object); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", "a b", "a\nb", "a\x00", "é", "a{", `a"`, "a,b", "a/b", strings.Repeat("x", 257)} {
		h := http.Header{}
		if err := s.Sign(h, id, referenceTime, object); !errors.Is(err, ErrID) {
			t.Errorf("%q: got %v, want ErrID", id, err)
		}
		if len(h) != 0 {
			t.Errorf("%q: headers were set: %v", id, h)
		}
	}
	if err := s.Sign(http.Header{}, "a.b", referenceTime, []byte("[1]")); !errors.Is(err, ErrID) {
		t.Errorf("a full stop, and no object: %v", err)
	}
}

// One signature fits one message: no other split of the signed text into id,
// time and body is taken, even by a receiver that takes any time.
func TestASignatureFitsOneMessage(t *testing.T) {
	t.Parallel()
	s, err := NewSigner(referenceSecret, mustKey(t, referencePrivate))
	if err != nil {
		t.Fatal(err)
	}
	v := mustVerifier(t, referenceSecret, referencePublic)
	const id, body = "x~1~a.1614265331.b~1", `{"reason":"as of .1614265332.{}"}`
	h := http.Header{}
	if err := s.Sign(h, id, referenceTime, []byte(body)); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(id+"."+h.Get(HeaderTimestamp)+"."+body, ".")
	genuine := 0
	for i := 1; i < len(parts)-1; i++ {
		h.Set(HeaderID, strings.Join(parts[:i], "."))
		h.Set(HeaderTimestamp, parts[i])
		rest := strings.Join(parts[i+1:], ".")
		if _, err := v.Verify(h, []byte(rest), referenceTime, time.Hour); err != nil {
			continue
		}
		if genuine++; rest != body {
			// What a receiver does next with a body.
			if json.Valid([]byte(rest)) {
				t.Errorf("taken: id %s, body %s", h.Get(HeaderID), rest)
			}
			genuine--
		}
	}
	if genuine != 1 {
		t.Errorf("the genuine message was taken %d times", genuine)
	}
}

func BenchmarkSign(b *testing.B) {
	key := mustKey(b, referencePrivate)
	body := []byte(strings.Repeat("x", 1024))
	for b.Loop() {
		s, err := NewSigner(referenceSecret, key)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Sign(http.Header{}, referenceID, referenceTime, body); err != nil {
			b.Fatal(err)
		}
	}
}

package webhook

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func mustVerifier(t testing.TB, keys ...string) *Verifier {
	t.Helper()
	v, err := NewVerifier(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Rule 7.6: either signature is enough, and a receiver that is changing its key
// holds two.
func TestVerifyAcceptsEitherScheme(t *testing.T) {
	t.Parallel()
	both := signed(t, referenceSecret, mustKey(t, referencePrivate))
	other := FormatPublicKey(publicOf(mustKey(t, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")))
	for name, v := range map[string]*Verifier{
		"secret":             mustVerifier(t, referenceSecret),
		"key":                mustVerifier(t, referencePublic),
		"both":               mustVerifier(t, referenceSecret, referencePublic),
		"new and old secret": mustVerifier(t, secretOf(32), referenceSecret),
		"new and old key":    mustVerifier(t, other, referencePublic),
		"wrong key, secret":  mustVerifier(t, other, referenceSecret),
	} {
		m, err := v.Verify(both, []byte(referenceBody), referenceTime, DefaultTolerance)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.ID != referenceID || !m.SentAt.Equal(referenceTime) {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if _, err := mustVerifier(t, other, secretOf(32)).Verify(both, []byte(referenceBody), referenceTime, DefaultTolerance); !errors.Is(err, ErrNoMatchingSignature) {
		t.Errorf("wrong keys: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	key := mustKey(t, referencePrivate)
	for _, c := range []struct {
		name   string
		change func(h http.Header)
		body   string
		want   error
	}{
		{"no id", func(h http.Header) { h.Del(HeaderID) }, referenceBody, ErrRequiredHeaders},
		{"no timestamp", func(h http.Header) { h.Del(HeaderTimestamp) }, referenceBody, ErrRequiredHeaders},
		{"no signature", func(h http.Header) { h.Del(HeaderSignature) }, referenceBody, ErrRequiredHeaders},
		{"empty id", func(h http.Header) { h.Set(HeaderID, "") }, referenceBody, ErrRequiredHeaders},
		{"doubled id", func(h http.Header) { h.Add(HeaderID, "other") }, referenceBody, ErrInvalidHeaders},
		{"doubled signature", func(h http.Header) { h.Add(HeaderSignature, referenceV1) }, referenceBody, ErrInvalidHeaders},
		{"timestamp no number", func(h http.Header) { h.Set(HeaderTimestamp, "now") }, referenceBody, ErrInvalidHeaders},
		{"timestamp with a sign", func(h http.Header) { h.Set(HeaderTimestamp, "+1614265330") }, referenceBody, ErrInvalidHeaders},
		{"timestamp with zeros", func(h http.Header) { h.Set(HeaderTimestamp, "01614265330") }, referenceBody, ErrInvalidHeaders},
		{"timestamp too long", func(h http.Header) { h.Set(HeaderTimestamp, "99999999999999999999") }, referenceBody, ErrInvalidHeaders},
		{"too many signatures", func(h http.Header) { h.Set(HeaderSignature, strings.Repeat("v1,x ", 17)) }, referenceBody, ErrInvalidHeaders},
		{"another id", func(h http.Header) { h.Set(HeaderID, "msg_other") }, referenceBody, ErrNoMatchingSignature},
		{"another time", func(h http.Header) { h.Set(HeaderTimestamp, "1614265331") }, referenceBody, ErrNoMatchingSignature},
		{"another body", func(http.Header) {}, referenceBody + " ", ErrNoMatchingSignature},
		{"unknown scheme", func(h http.Header) { h.Set(HeaderSignature, "v9,abc") }, referenceBody, ErrNoMatchingSignature},
		{"schemes swapped", func(h http.Header) {
			h.Set(HeaderSignature, strings.Replace(referenceV1, "v1,", "v1a,", 1)+" "+strings.Replace(referenceV1a, "v1a,", "v1,", 1))
		}, referenceBody, ErrNoMatchingSignature},
		{"empty signatures", func(h http.Header) { h.Set(HeaderSignature, "v1, v1a, , v1a") }, referenceBody, ErrNoMatchingSignature},
		{"signature cut short", func(h http.Header) { h.Set(HeaderSignature, referenceV1[:20]+" "+referenceV1a[:24]) }, referenceBody, ErrNoMatchingSignature},
		{"blank signature", func(h http.Header) { h.Set(HeaderSignature, " ") }, referenceBody, ErrNoMatchingSignature},
	} {
		h := signed(t, referenceSecret, key)
		c.change(h)
		v := mustVerifier(t, referenceSecret, referencePublic)
		m, err := v.Verify(h, []byte(c.body), referenceTime, DefaultTolerance)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if m != (Message{}) {
			t.Errorf("%s: a refused message was handed out: %+v", c.name, m)
		}
	}
}

// A valid signature among others is found, as when a sender changes its key.
func TestVerifyFindsOneAmongMany(t *testing.T) {
	t.Parallel()
	h := signed(t, referenceSecret, nil)
	h.Set(HeaderSignature, "v1,AAAA v2,x v1a,AAAA "+referenceV1+" v1,BBBB")
	if _, err := mustVerifier(t, referenceSecret, referencePublic).Verify(h, []byte(referenceBody), referenceTime, time.Second); err != nil {
		t.Error(err)
	}
}

func TestVerifyTolerance(t *testing.T) {
	t.Parallel()
	h := signed(t, referenceSecret, nil)
	v := mustVerifier(t, referenceSecret)
	for _, c := range []struct {
		off  time.Duration
		want error
	}{
		{0, nil},
		{5 * time.Minute, nil},
		{-5 * time.Minute, nil},
		{5*time.Minute + time.Nanosecond, ErrMessageTooOld},
		{-5*time.Minute - time.Nanosecond, ErrMessageTooNew},
		{24 * time.Hour, ErrMessageTooOld},
	} {
		_, err := v.Verify(h, []byte(referenceBody), referenceTime.Add(c.off), 5*time.Minute)
		if !errors.Is(err, c.want) {
			t.Errorf("receiver's clock %s off: got %v, want %v", c.off, err, c.want)
		}
	}
	if _, err := v.Verify(h, []byte(referenceBody), referenceTime.Add(time.Hour), 24*time.Hour); err != nil {
		t.Errorf("a wider tolerance is taken at its word: %v", err)
	}
}

// A forged message that is too old as well is called forged: its time says nothing.
func TestVerifyJudgesTheSignatureFirst(t *testing.T) {
	t.Parallel()
	h := signed(t, secretOf(24), nil)
	if _, err := mustVerifier(t, referenceSecret).Verify(h, []byte(referenceBody), referenceTime.Add(time.Hour), time.Minute); !errors.Is(err, ErrNoMatchingSignature) {
		t.Errorf("got %v", err)
	}
}

// The error names what was offered and what is held, so that a receiver with the
// wrong kind of key is found by reading.
func TestVerifyErrorNamesTheSchemes(t *testing.T) {
	t.Parallel()
	key := mustKey(t, referencePrivate)
	for _, c := range []struct {
		h    http.Header
		v    *Verifier
		want string
	}{
		{signed(t, "", key), mustVerifier(t, referenceSecret), "offered v1a, this receiver verifies v1"},
		{signed(t, referenceSecret, nil), mustVerifier(t, referencePublic), "offered v1, this receiver verifies v1a"},
		{signed(t, secretOf(24), nil), mustVerifier(t, referencePublic, referenceSecret), "this receiver verifies v1 and v1a"},
	} {
		_, err := c.v.Verify(c.h, []byte(referenceBody), referenceTime, time.Minute)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}

func TestVerifierWantsKeys(t *testing.T) {
	t.Parallel()
	if _, err := NewVerifier(); !errors.Is(err, ErrNothingToVerify) {
		t.Errorf("none: %v", err)
	}
	for _, bad := range []string{"", "whpk_AAAA", "whsec_AAAA", "secret", referencePrivate} {
		if _, err := NewVerifier(referenceSecret, bad); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "key 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

package webhook

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// The key pair that other implementations of the scheme publish with their tests.
const (
	referencePrivate = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	referenceSeed    = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
	referencePublic  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	referenceSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

func secretOf(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
}

// Rule 7.6: a callback_secret is whsec_ and base64; a bad one says what is wanted.
func TestCheckSecret(t *testing.T) {
	t.Parallel()
	for _, good := range []string{referenceSecret, secretOf(24), secretOf(25), secretOf(26), secretOf(64)} {
		if err := CheckSecret(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for name, bad := range map[string]string{
		"empty":           "",
		"no prefix":       "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"prefix alone":    "whsec_",
		"other prefix":    "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"upper case":      "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"23 bytes":        secretOf(23),
		"65 bytes":        secretOf(65),
		"no padding":      strings.TrimRight(secretOf(25), "="),
		"url alphabet":    "whsec_" + strings.Repeat("-_", 16),
		"line break":      "whsec_MfKQ9r8GKYqrTwjU\nPD8ILPZIo2LaLaSw",
		"trailing space":  referenceSecret + " ",
		"stray last bits": "whsec_" + strings.Repeat("A", 33) + "B==",
	} {
		err := CheckSecret(bad)
		if !errors.Is(err, ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", name, err)
			continue
		}
		if !strings.Contains(err.Error(), "wanted is whsec_ followed by the base64 of 24 to 64 bytes") {
			t.Errorf("%s: the error does not say what is wanted: %v", name, err)
		}
		if len(bad) > 12 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestPrivateKeyForms(t *testing.T) {
	t.Parallel()
	long, err := ParsePrivateKey(referencePrivate)
	if err != nil {
		t.Fatal(err)
	}
	short, err := ParsePrivateKey(referenceSeed)
	if err != nil {
		t.Fatal(err)
	}
	if !long.Equal(short) {
		t.Error("seed and expanded form give different keys")
	}
	if got := FormatPrivateKey(short); got != referencePrivate {
		t.Errorf("FormatPrivateKey = %s", got)
	}
	if got := FormatPublicKey(publicOf(short)); got != referencePublic {
		t.Errorf("FormatPublicKey = %s, want %s", got, referencePublic)
	}
	public, err := ParsePublicKey(referencePublic)
	if err != nil || !public.Equal(short.Public()) {
		t.Errorf("ParsePublicKey = %v, %v", public, err)
	}
	if id := KeyID(public); len(id) != 16 || id == KeyID(make(ed25519.PublicKey, 32)) {
		t.Errorf("KeyID = %q", id)
	}
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		panic("an Ed25519 private key has an Ed25519 public key")
	}
	return public
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	foreignHalf := FormatPrivateKey(append(ed25519.NewKeyFromSeed(make([]byte, 32))[:32:32], make([]byte, 32)...))
	for name, s := range map[string]string{
		"empty": "", "public": referencePublic, "short": "whsk_AAAA", "no base64": "whsk_!", "halves do not match": foreignHalf,
	} {
		if _, err := ParsePrivateKey(s); !errors.Is(err, ErrKey) {
			t.Errorf("private, %s: got %v, want ErrKey", name, err)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "private": referencePrivate, "short": "whpk_AAAA", "no base64": "whpk_!",
	} {
		if _, err := ParsePublicKey(s); !errors.Is(err, ErrKey) {
			t.Errorf("public, %s: got %v, want ErrKey", name, err)
		}
	}
}

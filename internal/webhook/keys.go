package webhook

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A secret is base64 of at least MinSecretBytes and at most MaxSecretBytes.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
)

const (
	secretPrefix  = "whsec_"
	publicPrefix  = "whpk_"
	privatePrefix = "whsk_"
)

// ErrKey says that a secret or a key is not written as the scheme wants it. What
// was given is never part of the message.
var ErrKey = errors.New("not a usable key")

// CheckSecret says whether s can be registered as a callback_secret: "whsec_"
// and the padded base64 of 24 to 64 bytes (rule 7.6). The error is an ErrKey and
// says what is wanted.
func CheckSecret(s string) error {
	_, err := parseSecret(s)
	return err
}

func parseSecret(s string) ([]byte, error) {
	raw, err := decode(s, secretPrefix)
	if err != nil {
		return nil, fmt.Errorf("%w; wanted is whsec_ followed by the base64 of %d to %d bytes", err, MinSecretBytes, MaxSecretBytes)
	}
	if len(raw) < MinSecretBytes || len(raw) > MaxSecretBytes {
		return nil, fmt.Errorf("%w: it holds %d bytes; wanted is whsec_ followed by the base64 of %d to %d bytes",
			ErrKey, len(raw), MinSecretBytes, MaxSecretBytes)
	}
	return raw, nil
}

// ParsePrivateKey reads "whsk_" and the base64 of an Ed25519 key: its seed of 32
// bytes, or seed and public key together, 64 bytes. The error is an ErrKey.
func ParsePrivateKey(s string) (ed25519.PrivateKey, error) {
	raw, err := decode(s, privatePrefix)
	if err != nil {
		return nil, fmt.Errorf("%w; wanted is whsk_ followed by the base64 of an Ed25519 private key", err)
	}
	switch len(raw) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(raw), nil
	case ed25519.PrivateKeySize:
		key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		if !key.Equal(ed25519.PrivateKey(raw)) {
			return nil, fmt.Errorf("%w: its public half does not belong to its private half", ErrKey)
		}
		return key, nil
	default:
		return nil, fmt.Errorf("%w: it holds %d bytes; an Ed25519 private key has %d or %d",
			ErrKey, len(raw), ed25519.SeedSize, ed25519.PrivateKeySize)
	}
}

// FormatPrivateKey writes seed and public key as "whsk_<base64>", which is what
// ParsePrivateKey and other implementations of the scheme read.
func FormatPrivateKey(key ed25519.PrivateKey) string {
	return privatePrefix + base64.StdEncoding.EncodeToString(key)
}

// ParsePublicKey reads "whpk_" and the base64 of 32 bytes, as it is published at
// /.well-known/webhook-keys. The error is an ErrKey.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	raw, err := decode(s, publicPrefix)
	if err != nil {
		return nil, fmt.Errorf("%w; wanted is whpk_ followed by the base64 of an Ed25519 public key", err)
	}
	if len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: it holds %d bytes; an Ed25519 public key has %d", ErrKey, len(raw), ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(raw), nil
}

// FormatPublicKey writes key as "whpk_<base64>" (rule 7.6).
func FormatPublicKey(key ed25519.PublicKey) string {
	return publicPrefix + base64.StdEncoding.EncodeToString(key)
}

// KeyID names a public key for people and logs: the first 16 hexadecimal digits
// of its SHA-256. It is the id at /.well-known/webhook-keys.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// decode is strict where the base64 package is lenient: it refuses line breaks
// and stray bits, so that a key has exactly one way to be written.
func decode(s, prefix string) ([]byte, error) {
	rest, found := strings.CutPrefix(s, prefix)
	if !found {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrKey, prefix)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(rest)
	if err != nil || strings.ContainsAny(rest, "\r\n") {
		return nil, fmt.Errorf("%w: what follows %s is not padded base64", ErrKey, prefix)
	}
	return raw, nil
}

// Package webhook is how the service speaks to an address that somebody else
// chose: a callback URL, a notification URL.
//
// Three things make that safe. What is sent is signed by the Standard Webhooks
// scheme, with the service's Ed25519 key (v1a) and with the receiver's own
// secret (v1), so that a receiver can tell an instruction from a forgery
// (rule 7.6); Signer and Verifier are the two ends of it. Where it is sent is
// judged twice by one Policy, when the URL is registered and again for every
// address that is dialled, because a name may resolve to something else by then
// (rule 7.7). And how much of an answer is awaited is bounded: a guarded client
// follows no redirect, asks no proxy and reads at most four kilobytes in ten
// seconds.
//
// The package holds no state besides pooled connections and reads no clock that
// it was not given.
package webhook

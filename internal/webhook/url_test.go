package webhook

import (
	"strings"
	"testing"
)

// What stands in urlTable is registered at a service that listens elsewhere.
var urlTable = map[string]string{
	"http://scout-1:8080/callback":                   fine,
	"https://scout.example.org/callback?token=a%20b": fine,
	"HTTPS://Scout.Example.ORG":                      fine,
	"http://scout_1.internal./":                      fine,
	"http://10.0.0.7:9000":                           fine,
	"http://[fd12::7]:9000/x":                        fine,
	"http://[fd12::7]/x":                             fine,
	"http://xn--bcher-kva.example/":                  fine,
	"http://1password.example/":                      fine,
	"http://example.0xyz/":                           fine,
	"http://example.org:1/":                          fine,
	"http://example.org:65535/":                      fine,
	"http://example.org/a//b/../c":                   fine,
	"http://localhosts/":                             fine,

	// Scheme and shape.
	"":                           "0 characters",
	"scout:8080":                 "wanted is http or https",
	"/callback":                  "wanted is http or https",
	"//example.org/":             "wanted is http or https",
	"ftp://example.org/":         "wanted is http or https",
	"file:///etc/passwd":         "wanted is http or https",
	"javascript:alert(1)":        "wanted is http or https",
	"http:":                      "names no host",
	"http:example.org":           "names no host",
	"http://":                    "names no host",
	"http:///path":               "names no host",
	"http://:80/":                "names no host",
	"http://?x":                  "names no host",
	"http://exa%zzmple.org/":     "cannot be read",
	"http://[::1/":               "cannot be read",
	"http://example.org/%zz":     "cannot be read",
	" http://example.org/":       "position 1",
	"http://example.org/a b":     "percent-encoded",
	"http://example.org/\n":      "percent-encoded",
	"http://example.org\\@evil/": "percent-encoded",
	"http://example.org/é":       "percent-encoded",
	"http://example.org/\x00":    "percent-encoded",
	"http://example.org/" + strings.Repeat("a", 2048): "1 to 2048",

	// Userinfo, fragment.
	"http://user@example.org/":           "userinfo",
	"http://user:password@example.org/":  "userinfo",
	"http://@example.org/":               "userinfo",
	"http://example.org@169.254.169.254": "userinfo",
	"http://example.org/#part":           "fragment",
	"http://example.org/#":               "fragment",

	// Port.
	"http://example.org:/":       "port is empty",
	"http://example.org:0/":      "port is 0",
	"http://example.org:65536/":  "port is 65536",
	"http://example.org:0080/":   "port is 0080",
	"http://example.org:999999/": "port is 999999",
	"http://example.org:http/":   "cannot be read",
	"http://example.org:-1/":     "cannot be read",
	"http://[fd12::7]:0/":        "port is 0",

	// Host syntax.
	"http://exa$mple.org/":                         "letters, digits, hyphens",
	"http://ex%41mple.org/":                        "cannot be read",
	"http://b%C3%BCcher.example/":                  "letters, digits, hyphens",
	"http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/":    "letters, digits, hyphens",
	"http://a..b/":                                 "label is empty",
	"http://.example.org/":                         "label is empty",
	"http://./":                                    "0 characters",
	"http://-a.example/":                           "hyphen",
	"http://a-.example/":                           "hyphen",
	"http://" + strings.Repeat("a", 64) + ".org/":  "at most 63",
	"http://" + strings.Repeat("a.", 127) + "org/": "1 to 253",
	"http://example.org,evil/":                     "letters, digits, hyphens",

	// A last label that is a number.
	"http://127.1/":             "ends in a number",
	"http://2130706433/":        "ends in a number",
	"http://0x7f000001/":        "ends in a number",
	"http://0x7F.0.0.0x1/":      "ends in a number",
	"http://0x/":                "ends in a number",
	"http://017700000001/":      "ends in a number",
	"http://0177.0.0.1/":        "ends in a number",
	"http://10.0.0.08/":         "ends in a number",
	"http://10.0.0.256/":        "ends in a number",
	"http://10.0.0.1./":         "ends in a number",
	"http://1.2.3.4.5/":         "ends in a number",
	"http://scout.7/":           "ends in a number",
	"http://example.org.0xabc/": "ends in a number",

	// Addresses.
	"http://127.0.0.1:8080/":        "loopback",
	"http://[::1]:8080/":            "loopback",
	"http://localhost:8080/":        "loopback",
	"http://LOCALHOST./":            "loopback",
	"http://a.localhost/":           "loopback",
	"http://0.0.0.0/":               "unspecified",
	"http://169.254.169.254/latest": "metadata",
	"http://[fd00:ec2::254]/":       "metadata",
	"http://[::ffff:a9fe:a9fe]/":    "metadata",
	"http://[64:ff9b::a9fe:a9fe]/":  "metadata",
	"http://[2002:7f00:1::]/":       "loopback",
	"http://[::127.0.0.1]/":         "loopback",
	"http://[fe80::1]/":             "link-local",
	"http://[fe80::1%25eth0]/":      "zone",
	"http://[fd12::7%25eth0]/":      "zone",
	"http://[127.0.0.1]/":           "cannot be read",
	"http://[10.0.0.1]/":            "cannot be read",
	"http://[example.org]/":         "cannot be read",
	"http://192.0.2.7/":             "reserved",
	"http://224.0.0.1/":             "multicast",
}

// Rule 7.7 at registration.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, false, "")
	for raw, want := range urlTable {
		expect(t, raw, p.CheckURL(raw), want)
	}
}

// Rule 7.7: loopback only while the service itself listens on loopback.
func TestCheckURLOnLoopback(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, true, "")
	for raw, want := range map[string]string{
		"http://127.0.0.1:8080/":       fine,
		"http://localhost:8080/":       fine,
		"http://a.localhost/":          fine,
		"http://[::1]:8080/":           fine,
		"http://[::ffff:127.0.0.1]/":   fine,
		"http://127.1/":                "ends in a number",
		"http://169.254.169.254/":      "metadata",
		"http://[64:ff9b::a9fe:a9fe]/": "metadata",
		"http://0.0.0.0:8080/":         "unspecified",
	} {
		expect(t, raw, p.CheckURL(raw), want)
	}
}

// Rule 7.7: ORCHESTRATOR_CALLBACK_ALLOW.
func TestCheckURLAgainstTheAllowList(t *testing.T) {
	t.Parallel()
	const noSuffix, noCIDR = "matches no suffix", "lies in no CIDR"
	for _, c := range []struct{ allow, raw, want string }{
		{"example.org", "http://example.org/", fine},
		{"example.org", "http://a.b.example.org/", fine},
		{"example.org", "http://A.Example.ORG./", fine},
		{"Example.ORG.", "http://a.example.org/", fine},
		{"example.org", "http://badexample.org/", noSuffix},
		{"example.org", "http://example.org.evil/", noSuffix},
		{"example.org", "http://org/", noSuffix},
		{".example.org", "http://a.example.org/", fine},
		{".example.org", "http://example.org/", noSuffix},
		{"example.org,internal", "http://scout.internal/", fine},
		{"internal", "http://internal/", fine},
		{"example.org", "http://10.1.2.3/", "names hosts only"},
		{"example.org", "http://[fd12::7]/", "names hosts only"},
		{"10.0.0.0/8", "http://10.1.2.3/", fine},
		{"10.0.0.0/8", "http://192.168.1.1/", noCIDR},
		{"10.0.0.0/8", "http://[::ffff:10.1.2.3]/", fine},
		{"10.0.0.0/8", "http://any.example/", fine},
		{"10.0.0.0/8,example.org", "http://10.1.2.3/", fine},
		{"10.0.0.0/8,example.org", "http://11.1.2.3/", noCIDR},
		{"10.0.0.0/8,example.org", "http://a.example.org/", fine},
		{"10.0.0.0/8,example.org", "http://any.example/", noSuffix},
		{"localhost,127.0.0.0/8", "http://localhost/", "loopback"},
		{"localhost,127.0.0.0/8", "http://127.0.0.1/", "loopback"},
		{"169.254.0.0/16", "http://169.254.169.254/", "metadata"},
	} {
		expect(t, c.raw+" under "+c.allow, mustPolicy(t, false, c.allow).CheckURL(c.raw), c.want)
	}
	expect(t, "loopback outside the list", mustPolicy(t, true, "10.0.0.0/8").CheckURL("http://127.0.0.1/"), noCIDR)
	expect(t, "loopback in the list", mustPolicy(t, true, "127.0.0.0/8").CheckURL("http://127.0.0.1/"), fine)
}

// A refusal is shown to the sender and logged: it must not repeat a password.
func TestRefusalsDoNotRepeatUserinfo(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"http://user:hunter2@example.org/", "http://user:hunter2@exa mple/", "http://user:hunter2@[::1/"} {
		if err := mustPolicy(t, false, "").CheckURL(raw); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"http://example.org:80/x?y", "http://[::1]/", "http://127.1/", "http://a@b#c", "http://%31/"} {
		f.Add(seed)
	}
	p, err := NewPolicy(false, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if p.CheckURL(raw) != nil {
			return
		}
		u, err := parseURL(raw)
		if err != nil {
			t.Fatalf("%q passes, but %v", raw, err)
		}
		if u.User != nil || u.Fragment != "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Contains(u.Hostname(), "%") {
			t.Fatalf("%q passes: %+v", raw, u)
		}
	})
}

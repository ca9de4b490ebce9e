package webhook

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxURLLength   = 2048
	maxHostLength  = 253
	maxLabelLength = 63
)

// CheckURL says whether raw can be registered as a callback_url (rule 7.7): an
// absolute http or https URL of visible ASCII, without userinfo or fragment,
// whose host is a DNS name, a plain dotted IPv4 address or an IPv6 address in
// brackets, and is none that the policy refuses. What a name resolves to is
// looked at when it is dialled. The error is an ErrRefused and says what is
// wanted.
func (p *Policy) CheckURL(raw string) error {
	u, err := parseURL(raw)
	if err != nil {
		return err
	}
	if strings.Contains(raw, "#") {
		return refuse("the URL carries a fragment; wanted is none")
	}
	return p.checkParsed(u)
}

// checkParsed is CheckURL as far as it concerns where a request goes.
func (p *Policy) checkParsed(u *url.URL) error {
	if err := checkShape(u); err != nil {
		return err
	}
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		return p.checkLiteralV6(host)
	}
	if why := badHostName(host); why != "" {
		return refuse("the host %q: %s", host, why)
	}
	if endsInNumber(host) {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return refuse("the host %q ends in a number; wanted is a plain dotted IPv4 address or a name", host)
		}
		return p.checkLiteral(ip)
	}
	return p.checkName(host)
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// parseURL checks how a URL is written.
func parseURL(raw string) (*url.URL, error) {
	if raw == "" || len(raw) > maxURLLength {
		return nil, refuse("the URL has %d characters; wanted are 1 to %d", len(raw), maxURLLength)
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c > '~' || c == '\\' {
			return nil, refuse("the URL holds %q at position %d; wanted is visible ASCII, everything else percent-encoded", c, i+1)
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refuse("the URL cannot be read; wanted is http(s)://host[:port]/path")
	}
	return u, nil
}

// checkShape checks everything about a parsed URL but its host.
func checkShape(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("the scheme is %q; wanted is http or https", u.Scheme)
	case u.Opaque != "" || u.Host == "" || u.Hostname() == "":
		return refuse("the URL names no host; wanted is %s://host[:port]/path", u.Scheme)
	case u.User != nil || strings.Contains(u.Host, "@"):
		return refuse("the URL carries userinfo; wanted is none")
	case u.Fragment != "":
		return refuse("the URL carries a fragment; wanted is none")
	}
	return checkPort(u)
}

func checkPort(u *url.URL) error {
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return refuse("the port is empty; wanted is a number from 1 to 65535, or no colon")
		}
		return nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return refuse("the port is %s; wanted is a number from 1 to 65535", port)
	}
	return nil
}

func (p *Policy) checkLiteralV6(host string) error {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return refuse("the host [%s] is no IPv6 address", host)
	}
	if ip.Zone() != "" {
		return refuse("the address %s has a zone; wanted is none", ip)
	}
	return p.checkLiteral(ip)
}

// checkLiteral judges an address that stands in the URL itself. A list of
// suffixes alone lets no address through.
func (p *Policy) checkLiteral(ip netip.Addr) error {
	if err := p.CheckIP(ip); err != nil {
		return err
	}
	if len(p.suffixes) > 0 && len(p.cidrs) == 0 {
		return refuse("%s is an address; ORCHESTRATOR_CALLBACK_ALLOW names hosts only", ip)
	}
	return nil
}

func (p *Policy) checkName(host string) error {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if !p.loopback && (name == "localhost" || strings.HasSuffix(name, ".localhost")) {
		return refuse("%s is loopback, allowed only while the service itself listens on loopback", host)
	}
	if len(p.suffixes) == 0 {
		return nil
	}
	for _, s := range p.suffixes {
		if strings.HasSuffix(name, "."+s.domain) || (!s.subdomains && name == s.domain) {
			return nil
		}
	}
	return refuse("the host %q matches no suffix of ORCHESTRATOR_CALLBACK_ALLOW", host)
}

// badHostName says what keeps host from being a DNS name; empty when nothing
// does. Underscores are taken, since container names have them; letters beyond
// ASCII are not, since a lookup would turn some of them into digits and dots.
func badHostName(host string) string {
	name := strings.TrimSuffix(host, ".")
	if name == "" || len(name) > maxHostLength {
		return fmt.Sprintf("it has %d characters; wanted are 1 to %d", len(name), maxHostLength)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "a label is empty"
		case len(label) > maxLabelLength:
			return fmt.Sprintf("a label has %d characters; wanted are at most %d", len(label), maxLabelLength)
		case label[0] == '-' || label[len(label)-1] == '-':
			return "a label begins or ends with a hyphen"
		}
		for i := range len(label) {
			if !isHostByte(label[i]) {
				return "wanted are letters, digits, hyphens and underscores between dots"
			}
		}
	}
	return ""
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// endsInNumber says whether a resolver may take the host for an IPv4 address:
// its last label, a closing dot aside, is decimal, octal or hexadecimal
// (127.1, 0x7f.1, 017700000001).
func endsInNumber(host string) bool {
	name := strings.TrimSuffix(host, ".")
	last := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	digits := "0123456789"
	if rest, hex := strings.CutPrefix(last, "0x"); hex {
		last, digits = rest, "0123456789abcdef"
	}
	return strings.Trim(last, digits) == ""
}

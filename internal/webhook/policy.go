package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrRefused says that a callback address is one that nothing is sent to
// (rule 7.7). The message says which and why, in words for its owner.
var ErrRefused = errors.New("callback address refused")

// ErrAllowList says that ORCHESTRATOR_CALLBACK_ALLOW cannot be read; the message
// names the entry and what is wanted (rule 11.1).
var ErrAllowList = errors.New("not a list of host suffixes and CIDRs")

// Policy decides where callbacks may go (rule 7.7). Private addresses are
// allowed, 100.64/10 and fc00::/7 included; metadata services, link-local,
// unspecified, multicast and reserved addresses never are, whatever form they
// are written or resolved in. It is immutable and safe for concurrent use.
type Policy struct {
	loopback bool
	suffixes []suffix
	cidrs    []netip.Prefix
	guardian *ssrf.Guardian
}

// suffix is one host suffix of the allow list, in lower case without its dot.
type suffix struct {
	domain     string
	subdomains bool // a leading dot: only what lies below
}

// NewPolicy makes the policy of a service. loopback says that it listens on
// loopback itself and may call there.
//
// allow is ORCHESTRATOR_CALLBACK_ALLOW, a comma-separated list; empty: no
// narrowing. "example.org" stands for that host and all below it, ".example.org"
// for those below it only, "10.1.0.0/16" or "10.1.2.3" for addresses. It narrows
// and opens nothing: where suffixes are listed a host name must match one; where
// CIDRs are listed every address that is dialled must lie in one; an address
// written in a URL needs a CIDR. The error is an ErrAllowList.
func NewPolicy(loopback bool, allow string) (*Policy, error) {
	p := &Policy{loopback: loopback, guardian: newGuardian(loopback)}
	if strings.TrimSpace(allow) == "" {
		return p, nil
	}
	for entry := range strings.SplitSeq(allow, ",") {
		if err := p.allow(strings.TrimSpace(entry)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// newGuardian is the second opinion behind the package's own table: whatever
// the library's copy of the registries refuses, and rule 7.7 does not allow, is
// refused even where the table here is out of date. Ports and networks are not
// its business.
func newGuardian(loopback bool) *ssrf.Guardian {
	v4, v6 := privateV4, privateV6
	if loopback {
		v4 = append(loopbackV4[:1:1], v4...)
		v6 = append(loopbackV6[:1:1], v6...)
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork(),
		ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

func (p *Policy) allow(entry string) error {
	if entry == "" {
		return fmt.Errorf("%w: an entry is empty", ErrAllowList)
	}
	if strings.Contains(entry, "/") {
		return p.allowPrefix(entry)
	}
	if ip, err := netip.ParseAddr(entry); err == nil {
		if ip.Zone() != "" || ip.Is4In6() {
			return fmt.Errorf("%w: %q; wanted is an address without zone, IPv4 as such", ErrAllowList, entry)
		}
		p.cidrs = append(p.cidrs, netip.PrefixFrom(ip, ip.BitLen()))
		return nil
	}
	domain, below := strings.CutPrefix(strings.ToLower(entry), ".")
	why := badHostName(domain)
	if why == "" && endsInNumber(domain) {
		why = "it ends in a number"
	}
	if why != "" {
		return fmt.Errorf("%w: %q: %s; wanted is a host suffix such as example.org or .example.org, or a CIDR such as 10.0.0.0/8",
			ErrAllowList, entry, why)
	}
	p.suffixes = append(p.suffixes, suffix{domain: strings.TrimSuffix(domain, "."), subdomains: below})
	return nil
}

func (p *Policy) allowPrefix(entry string) error {
	prefix, err := netip.ParsePrefix(entry)
	if err != nil {
		return fmt.Errorf("%w: %q is no CIDR; wanted is an address, a slash and a length, such as 10.0.0.0/8", ErrAllowList, entry)
	}
	if prefix.Addr().Is4In6() {
		return fmt.Errorf("%w: %q; wanted is the IPv4 block as such", ErrAllowList, entry)
	}
	if masked := prefix.Masked(); masked != prefix {
		return fmt.Errorf("%w: %q has bits beyond its length; wanted is %s", ErrAllowList, entry, masked)
	}
	p.cidrs = append(p.cidrs, prefix)
	return nil
}

// CheckIP says whether ip may be dialled. An IPv6 address that carries an IPv4
// one is judged by what it carries. The error is an ErrRefused.
func (p *Policy) CheckIP(ip netip.Addr) error {
	if !ip.IsValid() {
		return fmt.Errorf("%w: no address", ErrRefused)
	}
	ip = ip.WithZone("")
	inside := carriedBy(ip)
	if !inside.alone {
		if err := p.judge(ip); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	for _, carried := range inside.addrs {
		if err := p.judge(carried); err != nil {
			return fmt.Errorf("%w: %s leads to another address (%s): %w", ErrRefused, ip, inside.form, err)
		}
	}
	if !p.listed(ip, inside.addrs) {
		return fmt.Errorf("%w: %s lies in no CIDR of ORCHESTRATOR_CALLBACK_ALLOW", ErrRefused, ip)
	}
	return nil
}

// judge looks at one address that carries no other.
func (p *Policy) judge(ip netip.Addr) error {
	if what := special(ip); what != "" {
		return fmt.Errorf("%s is %s", ip, what)
	}
	if ip.IsLoopback() && !p.loopback {
		return fmt.Errorf("%s is loopback, allowed only while the service itself listens on loopback", ip)
	}
	return p.guardian.SafeAddr(ip)
}

// listed says whether the allow list has a CIDR for ip or for what it carries,
// or no CIDR at all.
func (p *Policy) listed(ip netip.Addr, carried []netip.Addr) bool {
	if len(p.cidrs) == 0 || contains(p.cidrs, ip) {
		return true
	}
	for _, c := range carried {
		if !contains(p.cidrs, c) {
			return false
		}
	}
	return len(carried) > 0
}

// Control is a net.Dialer's Control: it looks at every address that is about to
// be dialled, after the name was resolved, so that no later lookup can put
// another in its place. A refused one is passed over, the dialer takes the next.
func (p *Policy) Control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is no address", ErrRefused, address)
	}
	return p.CheckIP(target.Addr())
}

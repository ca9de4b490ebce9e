package webhook

import "net/netip"

// span is a block of addresses that no callback goes to, and what it is.
type span struct {
	prefix netip.Prefix
	what   string
}

func spans(of ...string) []span {
	list := make([]span, 0, len(of)/2)
	for i := 0; i < len(of); i += 2 {
		list = append(list, span{prefix: netip.MustParsePrefix(of[i]), what: of[i+1]})
	}
	return list
}

func prefixes(of ...string) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(of))
	for _, p := range of {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}

// refusedV4 and refusedV6 are the special-purpose registries of IANA without
// what rule 7.7 allows, and the metadata services that lie in allowed or public
// blocks. The first match gives the reason, so the narrow ones come first.
var (
	refusedV4 = spans(
		"169.254.169.254/32", "a metadata service",
		"169.254.170.2/32", "a metadata service",
		"169.254.170.23/32", "a metadata service",
		"100.100.100.200/32", "a metadata service",
		"168.63.129.16/32", "a metadata service",
		"192.0.0.192/32", "a metadata service",
		"169.254.0.0/16", "link-local",
		"0.0.0.0/32", "the unspecified address",
		"0.0.0.0/8", "reserved (this network)",
		"192.0.0.0/24", "reserved (protocol assignments)",
		"192.0.2.0/24", "reserved (documentation)",
		"192.31.196.0/24", "reserved (AS112)",
		"192.52.193.0/24", "reserved (multicast tunnelling)",
		"192.88.99.0/24", "reserved (6to4 relays)",
		"192.175.48.0/24", "reserved (AS112)",
		"198.18.0.0/15", "reserved (benchmarking)",
		"198.51.100.0/24", "reserved (documentation)",
		"203.0.113.0/24", "reserved (documentation)",
		"224.0.0.0/4", "multicast",
		"255.255.255.255/32", "the broadcast address",
		"240.0.0.0/4", "reserved",
	)
	refusedV6 = spans(
		"fd00:ec2::254/128", "a metadata service",
		"fd00:ec2::23/128", "a metadata service",
		"fd20:ce::254/128", "a metadata service",
		"fd00:42::42/128", "a metadata service",
		"fe80::a9fe:a9fe/128", "a metadata service",
		"::/128", "the unspecified address",
		"fe80::/10", "link-local",
		"fec0::/10", "reserved (site-local)",
		"ff00::/8", "multicast",
		"100::/64", "reserved (discard)",
		"100:0:0:1::/64", "reserved (dummy prefix)",
		"2001:2::/48", "reserved (benchmarking)",
		"2001:db8::/32", "reserved (documentation)",
		"2001::/23", "reserved (protocol assignments)",
		"2620:4f:8000::/48", "reserved (AS112)",
		"3fff::/20", "reserved (documentation)",
		"5f00::/16", "reserved (segment routing)",
	)
)

// Blocks that rule 7.7 allows although the registries call them special.
var (
	privateV4  = prefixes("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
	privateV6  = prefixes("fc00::/7")
	loopbackV4 = prefixes("127.0.0.0/8")
	loopbackV6 = prefixes("::1/128")
)

// globalV6 is all that IANA has given out for global unicast.
var globalV6 = netip.MustParsePrefix("2000::/3")

func contains(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// special says what makes ip, which carries no other address, a place that no
// callback goes to; empty when nothing does. Loopback is judged elsewhere.
func special(ip netip.Addr) string {
	refused := refusedV6
	if ip.Is4() {
		refused = refusedV4
	}
	for _, s := range refused {
		if s.prefix.Contains(ip) {
			return s.what
		}
	}
	if ip.Is6() && !globalV6.Contains(ip) && !contains(privateV6, ip) && !contains(loopbackV6, ip) {
		return "reserved (outside global unicast)"
	}
	return ""
}

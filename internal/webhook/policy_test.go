package webhook

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
	"pgregory.net/rapid"
)

func mustPolicy(t testing.TB, loopback bool, allow string) *Policy {
	t.Helper()
	p, err := NewPolicy(loopback, allow)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	fine     = ""         // allowed
	loopback = "loopback" // allowed only while the service listens on loopback
)

// Rule 7.7, address by address: what a callback may be sent to and why not.
var addressTable = []struct{ addr, want string }{
	// Public addresses.
	{"1.1.1.1", fine},
	{"8.8.8.8", fine},
	{"93.184.216.34", fine},
	{"223.255.255.255", fine},
	{"168.63.129.15", fine},
	{"168.63.129.17", fine},
	{"2606:4700::1111", fine},
	{"2a00:1450:4001:81b::200e", fine},
	{"2001:4860:4860::8888", fine},
	{"2001:200::1", fine},

	// Private addresses are allowed, and so are their neighbours.
	{"9.255.255.255", fine},
	{"10.0.0.0", fine},
	{"10.0.0.1", fine},
	{"10.255.255.255", fine},
	{"11.0.0.0", fine},
	{"172.15.255.255", fine},
	{"172.16.0.1", fine},
	{"172.31.255.255", fine},
	{"172.32.0.0", fine},
	{"192.167.255.255", fine},
	{"192.168.0.1", fine},
	{"192.168.255.255", fine},
	{"192.169.0.0", fine},
	{"100.63.255.255", fine},
	{"100.64.0.0", fine},
	{"100.100.100.199", fine},
	{"100.100.100.201", fine},
	{"100.127.255.255", fine},
	{"100.128.0.0", fine},
	{"fc00::1", fine},
	{"fd00::1", fine},
	{"fd12:3456:789a::1", fine},
	{"fd00:ec2::253", fine},
	{"fd20:ce::253", fine},
	{"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", fine},

	// Metadata services, wherever they lie.
	{"169.254.169.254", "metadata"},
	{"169.254.170.2", "metadata"},
	{"169.254.170.23", "metadata"},
	{"100.100.100.200", "metadata"},
	{"168.63.129.16", "metadata"},
	{"192.0.0.192", "metadata"},
	{"fd00:ec2::254", "metadata"},
	{"fd00:ec2::23", "metadata"},
	{"fd20:ce::254", "metadata"},
	{"fd00:42::42", "metadata"},
	{"fe80::a9fe:a9fe", "metadata"},

	// Loopback.
	{"127.0.0.0", loopback},
	{"127.0.0.1", loopback},
	{"127.1.2.3", loopback},
	{"127.255.255.255", loopback},
	{"126.255.255.255", fine},
	{"128.0.0.0", fine},
	{"::1", loopback},

	// Link-local.
	{"169.253.255.255", fine},
	{"169.254.0.0", "link-local"},
	{"169.254.255.255", "link-local"},
	{"169.255.0.0", fine},
	{"fe80::1", "link-local"},
	{"fe80::1%eth0", "link-local"},
	{"febf:ffff::1", "link-local"},

	// Unspecified.
	{"0.0.0.0", "unspecified"},
	{"::", "unspecified"},

	// Multicast and broadcast.
	{"224.0.0.1", "multicast"},
	{"239.255.255.255", "multicast"},
	{"255.255.255.255", "broadcast"},
	{"ff02::1", "multicast"},
	{"ff0e::1", "multicast"},

	// Reserved, IPv4.
	{"0.0.0.1", "reserved"},
	{"0.255.255.255", "reserved"},
	{"1.0.0.0", fine},
	{"192.0.0.0", "reserved"},
	{"192.0.0.8", "reserved"},
	{"192.0.0.255", "reserved"},
	{"192.0.1.0", fine},
	{"192.0.2.1", "reserved"},
	{"192.0.3.0", fine},
	{"192.31.196.1", "reserved"},
	{"192.52.193.1", "reserved"},
	{"192.88.99.1", "reserved"},
	{"192.88.98.255", fine},
	{"192.175.48.1", "reserved"},
	{"198.17.255.255", fine},
	{"198.18.0.0", "reserved"},
	{"198.19.255.255", "reserved"},
	{"198.20.0.0", fine},
	{"198.51.100.1", "reserved"},
	{"203.0.113.1", "reserved"},
	{"240.0.0.1", "reserved"},
	{"255.255.255.254", "reserved"},

	// Reserved, IPv6.
	{"100::1", "reserved"},
	{"100:0:0:1::1", "reserved"},
	{"1::1", "reserved"},
	{"400::1", "reserved"},
	{"1fff::1", "reserved"},
	{"2001:1::1", "reserved"},
	{"2001:2::1", "reserved"},
	{"2001:3::1", "reserved"},
	{"2001:4:112::1", "reserved"},
	{"2001:10::1", "reserved"},
	{"2001:20::1", "reserved"},
	{"2001:30::1", "reserved"},
	{"2001:1ff:ffff::1", "reserved"},
	{"2001:db8::1", "reserved"},
	{"2001:db8:ffff:ffff::1", "reserved"},
	{"2001:db9::1", fine},
	{"2620:4f:8000::1", "reserved"},
	{"3fff::1", "reserved"},
	{"3fff:fff::1", "reserved"},
	{"3fff:1000::1", fine},
	{"4000::1", "reserved"},
	{"5f00::1", "reserved"},
	{"fbff::1", "reserved"},
	{"fe00::1", "reserved"},
	{"fec0::1", "reserved"},

	// IPv4-mapped.
	{"::ffff:8.8.8.8", fine},
	{"::ffff:10.1.2.3", fine},
	{"::ffff:100.64.0.1", fine},
	{"::ffff:127.0.0.1", loopback},
	{"::ffff:7f00:1", loopback},
	{"::ffff:169.254.169.254", "metadata"},
	{"::ffff:100.100.100.200", "metadata"},
	{"::ffff:0.0.0.0", "unspecified"},
	{"::ffff:169.254.1.1", "link-local"},
	{"::ffff:240.0.0.1", "reserved"},

	// IPv4-compatible and IPv4-translated.
	{"::10.1.2.3", fine},
	{"::127.0.0.1", loopback},
	{"::169.254.169.254", "metadata"},
	{"::2", "reserved"},
	{"::224.0.0.1", "multicast"},
	{"::ffff:0:10.1.2.3", fine},
	{"::ffff:0:127.0.0.1", loopback},
	{"::ffff:0:169.254.169.254", "metadata"},

	// NAT64, the well-known prefix.
	{"64:ff9b::8.8.8.8", fine},
	{"64:ff9b::10.1.2.3", fine},
	{"64:ff9b::127.0.0.1", loopback},
	{"64:ff9b::a9fe:a9fe", "metadata"},
	{"64:ff9b::168.63.129.16", "metadata"},
	{"64:ff9b::0.0.0.0", "unspecified"},
	{"64:ff9b::198.18.0.1", "reserved"},
	{"64:ff9b::1:8.8.8.8", "reserved"},
	{"64:ff9b:2::8.8.8.8", "reserved"},

	// NAT64, the local prefix: in each place where a translator may look.
	{"64:ff9b:1::8.8.8.8", fine},
	{"64:ff9b:1::10.1.2.3", fine},
	{"64:ff9b:1::127.0.0.1", loopback},
	{"64:ff9b:1::169.254.169.254", "metadata"},
	{"64:ff9b:1:a9fe:a9:fe00::", "metadata"},
	{"64:ff9b:1:a9:fe:a9fe::", "metadata"},
	{"64:ff9b:1:0:64:6464:c800:0", "metadata"},
	{"64:ff9b:1:808:8:800::", fine},
	{"64:ff9b:1:7f00:0:100::", loopback},
	{"64:ff9b:1::", "unspecified"},

	// 6to4.
	{"2002:808:808::1", fine},
	{"2002:a01:203::1", fine},
	{"2002:7f00:1::", loopback},
	{"2002:7f00:1::1", loopback},
	{"2002:a9fe:a9fe::1", "metadata"},
	{"2002:6464:64c8::1", "metadata"},
	{"2002:c000:201::1", "reserved"},
	{"2002::1", "unspecified"},
	{"2002:e000:1::1", "multicast"},

	// Teredo: the server in the clear, the client inverted.
	{"2001:0:808:808::f7f7:f7f7", fine},
	{"2001:0:808:808::80ff:fffe", loopback},
	{"2001:0:808:808::5601:5601", "metadata"},
	{"2001:0:a9fe:a9fe::f7f7:f7f7", "metadata"},
	{"2001::", "unspecified"},

	// ISATAP: the prefix counts, and so does the address in the interface part.
	{"2606:4700::5efe:8.8.8.8", fine},
	{"fd00::5efe:10.1.2.3", fine},
	{"2606:4700::200:5efe:8.8.8.8", fine},
	{"2606:4700::5efe:169.254.169.254", "metadata"},
	{"2606:4700::200:5efe:127.0.0.1", loopback},
	{"fe80::5efe:8.8.8.8", "link-local"},
	{"2001:db8::5efe:8.8.8.8", "reserved"},
}

func TestCheckIP(t *testing.T) {
	t.Parallel()
	elsewhere, local := mustPolicy(t, false, ""), mustPolicy(t, true, "")
	seen := map[string]bool{}
	for _, c := range addressTable {
		if seen[c.addr] {
			t.Errorf("%s stands twice in the table", c.addr)
		}
		seen[c.addr] = true
		ip := netip.MustParseAddr(c.addr)
		expect(t, c.addr+", listening elsewhere", elsewhere.CheckIP(ip), c.want)
		if c.want == loopback {
			expect(t, c.addr+", listening on loopback", local.CheckIP(ip), fine)
		} else {
			expect(t, c.addr+", listening on loopback", local.CheckIP(ip), c.want)
		}
	}
	if len(addressTable) < 100 {
		t.Errorf("%d addresses", len(addressTable))
	}
}

func expect(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == fine && err != nil:
		t.Errorf("%s: refused: %v", what, err)
	case want != fine && err == nil:
		t.Errorf("%s: allowed, want a refusal because of %q", what, want)
	case want != fine && !errors.Is(err, ErrRefused):
		t.Errorf("%s: %v is no ErrRefused", what, err)
	case want != fine && !strings.Contains(err.Error(), want):
		t.Errorf("%s: %v, want %q in it", what, err, want)
	}
}

// Rule 7.7: whatever form an IPv4 address is dressed in, it is judged the same.
func TestDressedAddressesAreJudgedByWhatTheyCarry(t *testing.T) {
	t.Parallel()
	for _, policy := range []*Policy{mustPolicy(t, false, ""), mustPolicy(t, true, "")} {
		rapid.Check(t, func(t *rapid.T) {
			raw := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ipv4"))
			if rapid.Bool().Draw(t, "special") {
				s := rapid.SampledFrom(refusedV4).Draw(t, "block")
				raw = s.prefix.Addr().As4()
			}
			plain := netip.AddrFrom4(raw)
			refused := policy.CheckIP(plain) != nil
			for form, ip := range dress(raw) {
				if got := policy.CheckIP(ip) != nil; got != refused {
					t.Fatalf("%s refused: %t; as %s, %s: %t", plain, refused, form, ip, got)
				}
			}
		})
	}
}

func dress(b [4]byte) map[string]netip.Addr {
	at := func(prefix string, places ...int) netip.Addr {
		raw := netip.MustParseAddr(prefix).As16()
		for i, place := range places {
			raw[place] = b[i]
		}
		return netip.AddrFrom16(raw)
	}
	inverted := at("2001:0:808:808::").As16()
	for i := range b {
		inverted[12+i] = ^b[i]
	}
	forms := map[string]netip.Addr{
		"mapped":     at("::ffff:0:0", 12, 13, 14, 15),
		"translated": at("::ffff:0:0:0", 12, 13, 14, 15),
		"NAT64":      at("64:ff9b::", 12, 13, 14, 15),
		"6to4":       at("2002::", 2, 3, 4, 5),
		"Teredo":     netip.AddrFrom16(inverted),
		"ISATAP":     at("2606:4700::5efe:0:0", 12, 13, 14, 15),
	}
	if b[0] != 0 {
		// In ::/96 the first addresses are :: and ::1, which are their own.
		forms["compatible"] = at("::", 12, 13, 14, 15)
		forms["local NAT64"] = at("64:ff9b:1::", 12, 13, 14, 15)
	}
	return forms
}

func TestCheckIPWithoutAnAddress(t *testing.T) {
	t.Parallel()
	expect(t, "zero value", mustPolicy(t, true, "").CheckIP(netip.Addr{}), "no address")
}

// What the library refuses is refused, even where the package's own table says
// nothing against it.
func TestTheSecondOpinionCounts(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, false, "")
	p.guardian = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("8.8.8.0/24")))
	expect(t, "denied by the library", p.CheckIP(netip.MustParseAddr("8.8.8.8")), "8.8.8.8 is not a permitted destination")
	expect(t, "allowed by both", p.CheckIP(netip.MustParseAddr("8.8.9.8")), fine)
}

// The dialer hands over what it is about to connect to.
func TestControl(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, false, "")
	expect(t, "public", p.Control("tcp4", "8.8.8.8:443", nil), fine)
	expect(t, "loopback", p.Control("tcp4", "127.0.0.1:80", nil), "loopback")
	expect(t, "IPv6", p.Control("tcp6", "[fd00:ec2::254]:80", nil), "metadata")
	expect(t, "zone", p.Control("tcp6", "[fe80::1%eth0]:80", nil), "link-local")
	expect(t, "rubbish", p.Control("unix", "/run/socket", nil), "no address")
}

// Rule 7.7: ORCHESTRATOR_CALLBACK_ALLOW narrows and opens nothing.
func TestAllowListOfCIDRs(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, false, " 10.1.0.0/16 , 192.168.7.9,fd00:1::/32, 169.254.0.0/16, 127.0.0.0/8, 64:ff9b::/96")
	for addr, want := range map[string]string{
		"10.1.0.1":           fine,
		"10.2.0.1":           "lies in no CIDR of ORCHESTRATOR_CALLBACK_ALLOW",
		"192.168.7.9":        fine,
		"192.168.7.8":        "lies in no CIDR",
		"fd00:1::5":          fine,
		"fd00:2::5":          "lies in no CIDR",
		"8.8.8.8":            "lies in no CIDR",
		"::ffff:10.1.0.1":    fine,
		"::ffff:8.8.8.8":     "lies in no CIDR",
		"2002:a01:203::1":    fine,
		"2002:808:808::1":    "lies in no CIDR",
		"64:ff9b::8.8.8.8":   fine,
		"169.254.169.254":    "metadata",
		"169.254.1.1":        "link-local",
		"127.0.0.1":          "loopback",
		"64:ff9b::a9fe:a9fe": "metadata",
		"::1":                "loopback",
	} {
		expect(t, addr, p.CheckIP(netip.MustParseAddr(addr)), want)
	}
}

// A host suffix says nothing about addresses: a name that it lets through may
// resolve to whatever rule 7.7 allows.
func TestAllowListOfSuffixesLeavesResolvedAddressesAlone(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, false, "example.org")
	expect(t, "resolved", p.CheckIP(netip.MustParseAddr("10.1.2.3")), fine)
	expect(t, "refused all the same", p.CheckIP(netip.MustParseAddr("169.254.1.1")), "link-local")
}

// Rule 11.1: what cannot be read stops the start, naming the entry and what is
// wanted.
func TestBadAllowLists(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		",":                             "an entry is empty",
		"example.org,":                  "an entry is empty",
		"10.0.0.0/33":                   "wanted is an address, a slash and a length",
		"10.0.0/8":                      "wanted is an address, a slash and a length",
		"10.1.2.3/8":                    "wanted is 10.0.0.0/8",
		"fd00::1/16":                    "wanted is fd00::/16",
		"::ffff:10.0.0.0/104":           "wanted is the IPv4 block",
		"::ffff:10.0.0.1":               "IPv4 as such",
		"fe80::1%eth0":                  "without zone",
		"10.0.0":                        "ends in a number",
		"10":                            "ends in a number",
		"*.example.org":                 "letters, digits, hyphens",
		"http://example.org":            "no CIDR",
		"example.org:8080":              "letters, digits, hyphens",
		"exa mple.org":                  "letters, digits, hyphens",
		"..example.org":                 "a label is empty",
		"bücher.example":                "letters, digits, hyphens",
		"example.org;10.0.0.0":          "letters, digits, hyphens",
		".":                             "0 characters",
		strings.Repeat("a", 64):         "at most 63",
		strings.Repeat("a.", 127) + "a": "1 to 253",
	} {
		_, err := NewPolicy(false, list)
		if !errors.Is(err, ErrAllowList) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", list, err, want)
		}
	}
}

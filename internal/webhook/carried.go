package webhook

import "net/netip"

// IPv6 addresses that lead to an IPv4 address, by where it stands in them.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")      // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")      // RFC 4380
	compatible = netip.MustParsePrefix("::/96")          // RFC 4291, deprecated
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
)

// carrier is an IPv6 address taken apart.
type carrier struct {
	form  string       // the name of the transition mechanism; empty: none
	addrs []netip.Addr // the IPv4 addresses that it may lead to
	// alone says that the carried addresses stand for the whole, so that the
	// IPv6 address itself, being special by nature, is not judged.
	alone bool
}

// carriedBy finds the IPv4 addresses that ip leads to when a gateway, a tunnel
// or the kernel unpacks it (rule 7.7: IPv4 in IPv6, NAT64 and 6to4 forms
// included). ip has no zone.
func carriedBy(ip netip.Addr) carrier {
	if ip.Is4() {
		return carrier{}
	}
	b := ip.As16()
	switch {
	case ip.Is4In6():
		return carrier{form: "IPv4-mapped", addrs: []netip.Addr{ip.Unmap()}, alone: true}
	case nat64.Contains(ip):
		return carrier{form: "NAT64", addrs: []netip.Addr{v4(b[12], b[13], b[14], b[15])}, alone: true}
	case nat64Local.Contains(ip):
		return carrier{form: "NAT64", addrs: localNAT64(b), alone: true}
	case sixToFour.Contains(ip):
		return carrier{form: "6to4", addrs: []netip.Addr{v4(b[2], b[3], b[4], b[5])}, alone: true}
	case teredo.Contains(ip):
		// The server in the clear, the client's address with every bit inverted.
		return carrier{form: "Teredo", alone: true, addrs: []netip.Addr{
			v4(b[4], b[5], b[6], b[7]),
			v4(^b[12], ^b[13], ^b[14], ^b[15]),
		}}
	case translated.Contains(ip):
		return carrier{form: "IPv4-translated", addrs: []netip.Addr{v4(b[12], b[13], b[14], b[15])}, alone: true}
	case compatible.Contains(ip) && !ip.IsUnspecified() && !ip.IsLoopback():
		return carrier{form: "IPv4-compatible", addrs: []netip.Addr{v4(b[12], b[13], b[14], b[15])}, alone: true}
	case (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		// ISATAP (RFC 5214): any prefix, the IPv4 address in the interface part.
		return carrier{form: "ISATAP", addrs: []netip.Addr{v4(b[12], b[13], b[14], b[15])}}
	}
	return carrier{}
}

// localNAT64 gives every IPv4 address that a translator in 64:ff9b:1::/48 may
// find: the length of its own prefix (48, 56, 64 or 96 bits) decides where it
// looks, and nobody outside knows it (RFC 6052, section 2.2). Places that hold
// no address of a host, 0.0.0.0/8, are left out unless all do.
func localNAT64(b [16]byte) []netip.Addr {
	all := []netip.Addr{
		v4(b[12], b[13], b[14], b[15]),
		v4(b[6], b[7], b[9], b[10]),
		v4(b[7], b[9], b[10], b[11]),
		v4(b[9], b[10], b[11], b[12]),
	}
	var hosts []netip.Addr
	for _, ip := range all {
		if ip.As4()[0] != 0 {
			hosts = append(hosts, ip)
		}
	}
	if hosts == nil {
		return all[:1]
	}
	return hosts
}

func v4(a, b, c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{a, b, c, d}) }

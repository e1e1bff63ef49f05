package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// errForbidden is the failure of a connection that the guard forbade.
var errForbidden = errors.New("the address is not on the public internet; see webhook.allow_private")

// reserved are networks that aren't the public internet, of those that the
// methods of [netip.Addr] don't know. Of IPv6 only 2000::/3 is public at all.
//
// Source: the IANA special-purpose address registries (RFC 6890).
var reserved = parsePrefixes(
	"0.0.0.0/8",        // this network
	"100.64.0.0/10",    // carrier-grade NAT, RFC 6598; a cloud's metadata too
	"168.63.129.16/32", // a cloud's host, reached from inside its machines alone
	"192.0.0.0/24",     // protocol assignments; a cloud's metadata too
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays, which carry to embedded addresses
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"240.0.0.0/4",      // reserved, and broadcast
	"2001::/23",        // protocol assignments; Teredo embeds IPv4
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4 embeds IPv4
	"3fff::/20",        // documentation
)

var publicIPv6 = netip.MustParsePrefix("2000::/3")

// public reports whether a is an address on the public internet.
func public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !publicIPv6.Contains(a) {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// guard is a [net.Dialer]'s Control. It sees the very address that is about to
// be dialled, after every look-up, so that no name can change its mind.
func guard(allowed func(netip.Addr) bool) func(network, address string, c syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w (%s)", errForbidden, network)
		}
		if !allowed(a.Addr()) {
			return errForbidden
		}
		return nil
	}
}

func parsePrefixes(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		prefixes[i] = netip.MustParsePrefix(t)
	}
	return prefixes
}

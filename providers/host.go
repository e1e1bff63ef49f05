package providers

import "net/netip"

// Loopback reports whether only this machine can reach host, a name or an address
// without a port: what is sent there in clear crosses no network. Names below
// "localhost" aren't, because a resolver may ask others for them.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

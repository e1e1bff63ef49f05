//go:build !linux

package siptest

import (
	"fmt"
	"net"
)

// bound reports whether somebody listens on a port of 127.0.0.1. It tries the
// port, so a peer that starts at that moment may not get it; Linux does better.
func bound(transport string, port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	if transport == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return true
		}
		c.Close()
		return false
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

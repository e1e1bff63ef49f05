package siptest

import (
	"fmt"
	"os"
	"strings"
)

// bound reports whether somebody listens on a port of 127.0.0.1. It looks in
// the kernel's table: who tries the port takes it away from a peer that is
// just starting.
func bound(transport string, port int) bool {
	table, err := os.ReadFile("/proc/net/" + transport)
	if err != nil {
		return false
	}
	// The local address in hexadecimal, the remote one, which is none.
	return strings.Contains(string(table), fmt.Sprintf(": 0100007F:%04X 00000000:0000 ", port))
}

package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// slots is how many hash slots a Redis Cluster has.
const slots = 16384

// StartCluster starts a Redis Cluster of that many masters without replicas,
// which share the slots evenly and in order, and returns when all of them
// agree that it is whole. A part whose master is killed is gone; the others go
// on. It needs Redis 7.
func StartCluster(tb testing.TB, masters int) []*Server {
	tb.Helper()
	nodes := make([]*Server, masters)
	for i := range nodes {
		nodes[i] = start(tb, true, []string{"--cluster-require-full-coverage", "no", "--cluster-node-timeout", "2000"})
	}
	for i, n := range nodes {
		n.must(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*slots/masters, (i+1)*slots/masters-1))
		n.must(fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
	}
	for _, n := range nodes[1:] {
		n.must(fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %d", nodes[0].port, nodes[0].bus))
	}
	deadline := time.Now().Add(patience)
	for _, n := range nodes {
		for !n.knows(masters) {
			if time.Now().After(deadline) {
				tb.Fatalf("the cluster isn't whole after %v", patience)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nodes
}

// knows reports whether n sees that many masters, and every slot served.
func (s *Server) knows(masters int) bool {
	info, err := ask(s.Addr(), "CLUSTER INFO")
	return err == nil && strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r\n", slots)) &&
		strings.Contains(info, fmt.Sprintf("cluster_size:%d\r\n", masters))
}

func (s *Server) must(command string) {
	s.tb.Helper()
	if reply, err := ask(s.Addr(), command); err != nil || !strings.HasPrefix(reply, "+OK") {
		s.tb.Fatalf("%s: %q, %v", command, reply, err)
	}
}

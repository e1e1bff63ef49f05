package redistest

import (
	"fmt"
	"strings"
	"testing"
)

// slots is how many hash slots a Redis Cluster has.
const slots = 16384

// StartCluster starts a Redis Cluster of that many masters without replicas,
// which share the slots evenly and in order, and returns when all of them
// agree that it is whole. A part whose master is killed is gone; the others go
// on. It needs Redis 7.
func StartCluster(tb testing.TB, masters int) []*Server {
	tb.Helper()
	return startCluster(tb, masters, masters)
}

// StartReplicatedCluster starts a Redis Cluster of that many masters, each with
// a replica, with further arguments as redis-server takes them. The masters
// come first, then their replicas in the same order. A replica takes over a few
// seconds after its master was killed or paused, and may then be its master.
func StartReplicatedCluster(tb testing.TB, masters int, args ...string) []*Server {
	tb.Helper()
	nodes := startCluster(tb, 2*masters, masters, append([]string{"--repl-diskless-sync-delay", "0"}, args...)...)
	for i, replica := range nodes[masters:] {
		id := nodes[i].asked("CLUSTER MYID")
		replica.must("CLUSTER REPLICATE " + id)
	}
	for _, master := range nodes[:masters] {
		await(tb, "a replica of each master", func() bool { return master.replicas() == 1 })
	}
	return nodes
}

// startCluster starts a cluster of that many nodes, of which the first ones are
// masters with slots.
func startCluster(tb testing.TB, size, masters int, args ...string) []*Server {
	tb.Helper()
	args = append([]string{"--cluster-require-full-coverage", "no", "--cluster-node-timeout", "2000"}, args...)
	nodes := make([]*Server, size)
	for i := range nodes {
		nodes[i] = start(tb, true, args)
		nodes[i].must(fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
	}
	for i, n := range nodes[:masters] {
		n.must(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*slots/masters, (i+1)*slots/masters-1))
	}
	for _, n := range nodes[1:] {
		n.must(fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %d", nodes[0].port, nodes[0].bus))
	}
	for _, n := range nodes {
		await(tb, "a whole cluster", func() bool { return n.knows(size, masters) })
	}
	return nodes
}

// knows reports whether n sees that many nodes and masters with slots, and every
// slot served.
func (s *Server) knows(nodes, masters int) bool {
	info, err := ask(s.Addr(), "CLUSTER INFO")
	return err == nil && strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r\n", slots)) &&
		strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r\n", nodes)) &&
		strings.Contains(info, fmt.Sprintf("cluster_size:%d\r\n", masters))
}

func (s *Server) must(command string) {
	s.tb.Helper()
	if reply, err := ask(s.Addr(), command); err != nil || !strings.HasPrefix(reply, "+OK") {
		s.tb.Fatalf("%s: %q, %v", command, reply, err)
	}
}

// asked is the reply to a command that is answered with a string.
func (s *Server) asked(command string) string {
	s.tb.Helper()
	reply, err := ask(s.Addr(), command)
	if err != nil || !strings.HasPrefix(reply, "$") {
		s.tb.Fatalf("%s: %q, %v", command, reply, err)
	}
	_, text, _ := strings.Cut(reply, "\r\n")
	return strings.TrimSpace(text)
}

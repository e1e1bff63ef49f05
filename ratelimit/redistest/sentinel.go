package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// SentinelMaster is what the sentinels call the master that they watch.
const SentinelMaster = "denwa"

// Sentinels watch a master and its replicas, and make a replica the master
// about two seconds after that was killed or paused.
type Sentinels struct {
	// Servers are all that keep data. The first one is the master at the start.
	Servers []*Server
	// Addrs are those of the sentinels, host:port.
	Addrs []string
}

// StartSentinels starts a master with that many replicas and three sentinels,
// which agree by two. Further arguments are for the servers, as redis-server
// takes them.
func StartSentinels(tb testing.TB, replicas int, args ...string) *Sentinels {
	tb.Helper()
	s := &Sentinels{}
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	for i := range 1 + replicas {
		of := args
		if i > 0 {
			of = append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(s.Servers[0].port)}, args...)
		}
		s.Servers = append(s.Servers, start(tb, false, of))
	}
	await(tb, "the replicas", func() bool { return s.Servers[0].replicas() == replicas })
	for range 3 {
		sentinel := startSentinel(tb, s.Servers[0].port)
		s.Addrs = append(s.Addrs, sentinel.Addr())
	}
	for _, addr := range s.Addrs {
		await(tb, "the sentinels to know each other", func() bool {
			reply, err := ask(addr, "SENTINEL MASTER "+SentinelMaster)
			return err == nil && hasField(reply, "num-other-sentinels", 2) && hasField(reply, "num-slaves", replicas)
		})
	}
	return s
}

// hasField reports whether an array of names and values has one.
func hasField(reply, name string, n int) bool {
	value := strconv.Itoa(n)
	return strings.Contains(reply, fmt.Sprintf("\r\n%s\r\n$%d\r\n%s\r\n", name, len(value), value))
}

// Master is the server that the sentinels take for the master.
func (s *Sentinels) Master() *Server {
	tb := s.Servers[0].tb
	tb.Helper()
	for _, addr := range s.Addrs {
		reply, err := ask(addr, "SENTINEL GET-MASTER-ADDR-BY-NAME "+SentinelMaster)
		if err != nil {
			continue
		}
		for _, server := range s.Servers {
			if strings.Contains(reply, "\r\n"+strconv.Itoa(server.port)+"\r\n") {
				return server
			}
		}
	}
	tb.Fatal("no sentinel knows the master")
	return nil
}

// AwaitFailover waits until the sentinels have made another server than old the
// master, all agree on it, and the other ones follow it. It returns the new one.
//
// An old master that comes back any sooner takes itself for the master, has
// replicas, and loses what it is given.
func (s *Sentinels) AwaitFailover(old *Server) (master *Server) {
	tb := old.tb
	tb.Helper()
	others := slices.DeleteFunc(slices.Clone(s.Servers), func(o *Server) bool { return o == old })
	master = AwaitMaster(tb, others...)
	master.AwaitReplicas(len(others) - 1)
	for _, addr := range s.Addrs {
		await(tb, "the sentinels to agree", func() bool {
			reply, err := ask(addr, "SENTINEL GET-MASTER-ADDR-BY-NAME "+SentinelMaster)
			return err == nil && strings.Contains(reply, "\r\n"+strconv.Itoa(master.port)+"\r\n")
		})
	}
	return master
}

// startSentinel starts a sentinel that watches the master on a port.
func startSentinel(tb testing.TB, master int) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: tb.TempDir()}
	tb.Cleanup(s.Kill)
	var err error
	for range 5 {
		s.port = freePort(tb)
		// It writes what it learns into this file.
		path := filepath.Join(s.dir, "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s 1500\n"+
			"sentinel failover-timeout %[1]s 6000\nsentinel parallel-syncs %[1]s 5\n", SentinelMaster, master)
		if err = os.WriteFile(path, []byte(text), 0o600); err != nil {
			break
		}
		s.command = []string{path, "--sentinel"}
		if err = s.start(); err == nil {
			return s
		}
	}
	tb.Fatalf("start sentinel: %v", err)
	return nil
}

// replicas is how many replicas of s have all that it has, or soon will.
func (s *Server) replicas() int {
	reply, err := ask(s.Addr(), "INFO replication")
	if err != nil {
		return 0
	}
	return strings.Count(reply, "state=online")
}

// IsMaster reports whether s answers, and isn't a replica.
func (s *Server) IsMaster() bool {
	reply, err := ask(s.Addr(), "INFO replication")
	return err == nil && strings.Contains(reply, "role:master")
}

// await waits for something that takes its time.
func await(tb testing.TB, what string, happened func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(2 * patience); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v for %s", 2*patience, what)
		}
	}
}

// AwaitMaster waits until one of servers that can be reached is a master, and
// returns it. In a cluster, servers are a master and its replicas.
func AwaitMaster(tb testing.TB, servers ...*Server) (master *Server) {
	tb.Helper()
	await(tb, "a new master", func() bool {
		for _, s := range servers {
			if s.proc != nil && s.IsMaster() {
				master = s
				return true
			}
		}
		return false
	})
	return master
}

// AwaitReplicas waits until n replicas follow s.
func (s *Server) AwaitReplicas(n int) {
	s.tb.Helper()
	await(s.tb, "replicas of "+s.Addr(), func() bool { return s.replicas() >= n })
}

// Promote makes a replica a master.
func (s *Server) Promote() {
	s.tb.Helper()
	s.must("REPLICAOF NO ONE")
}

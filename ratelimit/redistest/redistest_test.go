package redistest

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

func answers(t *testing.T, s *Server) bool {
	t.Helper()
	reply, err := ask(s.Addr(), "PING")
	return err == nil && strings.HasPrefix(reply, "+PONG")
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	s := Start(t)
	addr := s.Addr()
	if _, err := ask(addr, "SET left behind"); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if answers(t, s) {
		t.Error("a killed server answers")
	}
	s.Kill() // nothing to do
	s.Restart()
	if s.Addr() != addr || !answers(t, s) {
		t.Errorf("a restarted server doesn't answer at %s", addr)
	}
	if reply, err := ask(addr, "DBSIZE"); err != nil || !strings.HasPrefix(reply, ":0\r\n") {
		t.Errorf("a restarted server isn't empty: %q, %v", reply, err)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.Pause()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatalf("a paused server should still accept: %v", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 16)
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(reply); err == nil {
		t.Errorf("a paused server answered %q", reply[:n])
	}
	s.Resume()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(reply); err != nil || string(reply[:n]) != "+PONG\r\n" {
		t.Errorf("a resumed server answered %q, %v", reply[:n], err)
	}
}

func TestEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var s *Server
	t.Run("inner", func(t *testing.T) { s = Start(t) })
	if s == nil {
		t.Skip("skipped inside")
	}
	if answers(t, s) {
		t.Error("the server outlived its test")
	}
}

// A taken port ends the process; Start goes on to the next one only because
// start says so at once.
func TestTakenPort(t *testing.T) {
	t.Parallel()
	s := Start(t)
	other := &Server{tb: t, dir: t.TempDir(), port: s.port}
	begun := time.Now()
	err := other.start()
	if err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("a second server on port %d: %v", s.port, err)
	}
	if took := time.Since(begun); took >= patience {
		t.Errorf("it took %v to see that", took)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	s := Start(t, "--requirepass", "secret")
	if reply, err := ask(s.Addr(), "PING"); err != nil || !strings.HasPrefix(reply, "-NOAUTH") {
		t.Errorf("PING without the password: %q, %v", reply, err)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := StartCluster(t, 3)
	for i, n := range nodes {
		// Slots: a 15495, b 3300, c 7365.
		for key, owner := range map[string]int{"a": 2, "b": 0, "c": 1} {
			reply, err := ask(n.Addr(), "GET "+key)
			if err != nil {
				t.Fatal(err)
			}
			if owner == i && !strings.HasPrefix(reply, "$-1") {
				t.Errorf("node %d, GET %s: %q", i, key, reply)
			}
			if owner != i && !strings.Contains(reply, ":"+strconv.Itoa(nodes[owner].port)) {
				t.Errorf("node %d, GET %s: %q, want a redirect to node %d", i, key, reply, owner)
			}
		}
	}
}

func TestReplicatedCluster(t *testing.T) {
	t.Parallel()
	nodes := StartReplicatedCluster(t, 3)
	if !nodes[0].IsMaster() || nodes[3].IsMaster() {
		t.Fatal("the roles are wrong")
	}
	nodes[0].Kill()
	if master := AwaitMaster(t, nodes[0], nodes[3]); master != nodes[3] {
		t.Fatal("a killed server is the master")
	}
	nodes[0].Restart()
	nodes[3].AwaitReplicas(1)
	if nodes[0].IsMaster() {
		t.Error("the old master didn't become a replica")
	}
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	s := StartSentinels(t, 2, "--appendonly", "yes")
	if s.Master() != s.Servers[0] {
		t.Fatal("the first server isn't the master")
	}
	if _, err := ask(s.Servers[0].Addr(), "SET left behind"); err != nil {
		t.Fatal(err)
	}
	s.Servers[0].AwaitReplicas(2)
	s.Servers[0].Kill()
	master := s.AwaitFailover(s.Servers[0])
	if reply, err := ask(master.Addr(), "GET left"); err != nil || !strings.HasPrefix(reply, "$6\r\nbehind") {
		t.Errorf("the new master has %q, %v", reply, err)
	}
	if s.Master() != master {
		t.Error("the sentinels have another master")
	}
}

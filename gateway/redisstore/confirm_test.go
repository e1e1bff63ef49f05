package redisstore_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit/redistest"
)

// pair is a master and its replica, and a store on the master that has the
// replica confirm, or not.
type pair struct {
	*redisstore.Store
	master, replica *redistest.Server
	keys            *gateway.Keyring
}

func newPair(t *testing.T, replicas int) *pair {
	p := &pair{master: redistest.Start(t, "--repl-diskless-sync-delay", "0"), keys: testKeyring(t)}
	host, port, _ := strings.Cut(p.master.Addr(), ":")
	p.replica = redistest.Start(t, "--replicaof", host+" "+port)
	p.master.AwaitReplicas(1)
	p.Store = newStore(t, connect(t, p.config(p.master, replicas)))
	return p
}

func (p *pair) config(server *redistest.Server, replicas int) redisstore.Config {
	c := redisstore.DefaultConfig()
	c.Addresses, c.Replicas = []string{server.Addr()}, replicas
	return c
}

func (p *pair) begin(t *testing.T) gateway.Record {
	t.Helper()
	r := record(p.keys, "app", "+819012345678")
	if c, err := p.Start(t.Context(), r, begin(), generous(), time.Hour); err != nil || c.Effect != gateway.EffectCreated {
		t.Fatal(c, err)
	}
	return r
}

func (p *pair) check(ctx context.Context, id gateway.ID) (gateway.Effect, error) {
	c, err := p.Apply(ctx, id, "app", gateway.Check{Match: true, Request: "again"}, generous())
	return c.Effect, err
}

// caughtUp waits until the replica has what the master has.
func (p *pair) caughtUp(t *testing.T) {
	t.Helper()
	master, replica := connect(t, p.config(p.master, 0)), connect(t, p.config(p.replica, 0))
	for range 500 {
		if n := master.DBSize(t.Context()).Val(); n > 0 && n == replica.DBSize(t.Context()).Val() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the replica doesn't catch up")
}

// failOver returns a store on the replica, whose master is gone.
func (p *pair) failOver(t *testing.T) *pair {
	t.Helper()
	p.master.Kill()
	return &pair{Store: newStore(t, connect(t, p.config(p.replica, 0))), keys: p.keys}
}

// TestWhatAMasterTakesWithIt: its last changes, unless the replica had to confirm
// them. Nobody is told of an approval that may be lost.
func TestWhatAMasterTakesWithIt(t *testing.T) {
	for replicas, told := range map[int]bool{0: true, 1: false} {
		t.Run("replicas "+strconv.Itoa(replicas), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, replicas)
			r := p.begin(t)
			p.caughtUp(t)
			p.replica.Promote() // which parts them
			effect, err := p.check(t.Context(), r.ID)
			if (effect == gateway.EffectApproved) != told {
				t.Errorf("approved by the master alone: %q, %v", effect, err)
			}
			if !told && !strings.Contains(err.Error(), "0 of 1 replicas have it after 1s (store.replicas)") {
				t.Errorf("it doesn't say why: %v", err)
			}
			if _, err := p.Load(t.Context(), r.ID, "app"); err != nil {
				t.Errorf("reading needs the replica: %v", err)
			}
			next := p.failOver(t)
			// It had the start, and not the check.
			if effect, err := next.check(t.Context(), r.ID); effect != gateway.EffectApproved || err != nil {
				t.Errorf("after the failover: %q, %v", effect, err)
			}
		})
	}
}

// TestUnconfirmedIsToldLater: a check that approved and wasn't confirmed is valid
// when it is made again.
func TestUnconfirmedIsToldLater(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1)
	r := p.begin(t)
	p.replica.Pause()
	if effect, err := p.check(t.Context(), r.ID); err == nil {
		t.Fatalf("approved by the master alone: %q", effect)
	}
	p.replica.Resume()
	p.master.AwaitReplicas(1)
	if effect, err := p.check(t.Context(), r.ID); effect != gateway.EffectRepeated || err != nil {
		t.Errorf("made again: %q, %v", effect, err)
	}
}

// TestWhatADeadRedisKeeps: kill -9 and a restart. With everysec it depends: Redis
// puts off writing to the file while the disk is busy, so that isn't tested.
func TestWhatADeadRedisKeeps(t *testing.T) {
	for name, setting := range map[string]struct {
		args  []string
		keeps bool
	}{
		"appendfsync always": {[]string{"--appendonly", "yes", "--appendfsync", "always"}, true},
		"snapshots only":     {[]string{"--save", "900 1"}, false},
		"nothing":            {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, setting.args...)
			p := &pair{master: server, keys: testKeyring(t)}
			p.Store = newStore(t, connect(t, p.config(server, 0)))
			r := p.begin(t)
			if effect, err := p.check(t.Context(), r.ID); effect != gateway.EffectApproved || err != nil {
				t.Fatal(effect, err)
			}
			server.Restart()
			c, err := p.Load(t.Context(), r.ID, "app")
			for try := 0; err != nil && try < 500; try++ { // it reads its file
				time.Sleep(10 * time.Millisecond)
				c, err = p.Load(t.Context(), r.ID, "app")
			}
			if kept := c.Record.Status == gateway.Approved; err != nil || kept != setting.keeps {
				t.Errorf("it is %q, %v", c.Record.Status, err)
			}
		})
	}
}

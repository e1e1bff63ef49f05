package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"denwa/ratelimit/redistest"
)

// replicated is a store whose master can fail.
type replicated struct {
	// config is the store's part of the configuration.
	config string
	// kill kills a master. When a replica has its place it comes back, as its
	// supervisor would have it; kill returns when it is a replica.
	kill func()
	// hang stops a master meanwhile, without closing anything. It comes back as one
	// who takes itself for the master.
	hang func()
}

// failing makes the ways to fail of a master, which has that many replicas.
// replaced waits for the one that takes its place.
func failing(config string, replicas int, master func() *redistest.Server, replaced func(old *redistest.Server) *redistest.Server) replicated {
	fail := func(end, comeBack func(*redistest.Server)) func() {
		return func() {
			old := master()
			end(old)
			next := replaced(old)
			comeBack(old)
			next.AwaitReplicas(replicas)
		}
	}
	return replicated{
		config: config,
		kill:   fail((*redistest.Server).Kill, (*redistest.Server).Restart),
		hang:   fail((*redistest.Server).Pause, (*redistest.Server).Resume),
	}
}

// persistent is what docs/redis.md recommends.
var persistent = []string{"--appendonly", "yes", "--appendfsync", "everysec"}

func sentinelStore(t *testing.T) replicated {
	s := redistest.StartSentinels(t, 2, persistent...)
	return failing(fmt.Sprintf(`{addresses: [%s], sentinel_master: %s, replicas: 1}`, quoted(s.Addrs), redistest.SentinelMaster),
		2, s.Master, s.AwaitFailover)
}

func clusterStore(t *testing.T) replicated {
	nodes := redistest.StartReplicatedCluster(t, 3, persistent...)
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr())
	}
	pair := 0
	return failing(fmt.Sprintf(`{addresses: [%s], cluster: true, replicas: 1}`, quoted(addrs)),
		1, func() *redistest.Server {
			pair = (pair + 1) % 3
			return redistest.AwaitMaster(t, nodes[pair], nodes[3+pair])
		},
		func(old *redistest.Server) *redistest.Server {
			other := nodes[pair]
			if other == old {
				other = nodes[3+pair]
			}
			return redistest.AwaitMaster(t, other)
		})
}

func quoted(addrs []string) string { return `"` + strings.Join(addrs, `", "`) + `"` }

// TestFailover has people verify their numbers at three gateways while one of those
// dies, a master of the store dies, another one hangs, and a gateway is told to stop.
func TestFailover(t *testing.T) {
	for name, start := range map[string]func(*testing.T) replicated{"sentinel": sentinelStore, "cluster": clusterStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := start(t)
			c := newCallers(t, store.config, 3)
			c.come(4)
			c.approve(10)

			c.gateways[0].kill(t)
			c.approve(5) // it is still asked
			c.without(0)
			c.approve(5)

			store.kill()
			c.approve(10)
			store.hang()
			c.approve(10)
			c.wakes(c.gateways[0], c.gateways[1])

			drained := c.gateways[0]
			drained.stop(t)
			if err := <-drained.ended; err != nil {
				t.Errorf("a gateway that was told to stop ended with %v", err)
			}
			c.approve(5)
			c.without(0)
			c.approve(5)
			c.gone()

			before := fmt.Sprint(c.trouble())
			for range 10 {
				c.verify()
			}
			if after := fmt.Sprint(c.trouble()); after != before {
				t.Errorf("when all is well again, callers see trouble: %s, and then %s", before, after)
			}
			c.holds()
		})
	}
}

// wakes checks that who waits at one gateway sees what happens at another.
func (c *callers) wakes(here, there *running) {
	c.Helper()
	p := &holder{number: fmt.Sprintf("+8190%08d", 10_000_000+c.numbers.Add(1))}
	p.id = c.make("/v1/verifications", `{"to":"`+p.number+`"}`, "wake").text("id")
	if !c.arrives(p) {
		c.Fatal("no message arrives")
	}
	waiter := here.wait(c, p.id, "?wait=60")
	if r := there.do(c.T, http.MethodPost, "/v1/verifications/"+p.id+"/check", `{"code":"`+p.code+`"}`); r.body["valid"] != true {
		c.Errorf("check: %d %v", r.status, r.body)
	}
	if err := waiter.sees("approved"); err != nil {
		c.Errorf("who waits after a failover: %v", err)
	}
}

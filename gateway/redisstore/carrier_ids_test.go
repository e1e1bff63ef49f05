package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"denwa/gateway/redisstore"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/smpp"
	"denwa/ratelimit/redistest"
)

var _ smpp.IDStore = (*redisstore.CarrierIDs)(nil)

func TestCarrierIDs(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, keys := context.Background(), testKeyring(t)
		one := newStore(t, client).CarrierIDs(keys, "carrier")
		two := newStore(t, client).CarrierIDs(keys, "carrier") // another instance
		other := newStore(t, client).CarrierIDs(keys, "other")

		const id = "819012345678-1a" // as carriers make them
		if err := one.Remember(ctx, id, "vf_x.1", time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := one.Remember(ctx, "2", "vf_y.1/1/2", time.Hour); err != nil {
			t.Fatal(err)
		}
		got, err := two.Recall(ctx, "1", id, "2", "")
		if diff := cmp.Diff([]string{"", "vf_x.1", "vf_y.1/1/2", ""}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if got, err := other.Recall(ctx, id); err != nil || got[0] != "" {
			t.Errorf("another provider's id is %q, %v", got, err)
		}
		if err := two.Remember(ctx, id, "vf_z.1", time.Hour); err != nil {
			t.Fatal(err)
		}
		if got, err := one.Recall(ctx, id); err != nil || got[0] != "vf_z.1" {
			t.Errorf("an id that is used again is %q, %v", got, err)
		}

		for i, item := range []string{"1", "3", "1", "2", "3"} {
			set := []*redisstore.CarrierIDs{one, two}[i%2]
			n, err := set.Collect(ctx, "vf_y.1", item, time.Hour)
			if want := []int{1, 2, 2, 3, 3}[i]; n != want || err != nil {
				t.Errorf("after item %s there are %d, want %d, %v", item, n, want, err)
			}
		}
		if n, err := other.Collect(ctx, "vf_y.1", "1", time.Hour); n != 1 || err != nil {
			t.Errorf("another provider has %d, %v", n, err)
		}
		requireTTLs(t, client)
		for _, key := range client.Keys(ctx, "*").Val() {
			if strings.Contains(key, "12345678") || strings.Contains(key, "vf_") {
				t.Errorf("the key %s holds an id", key)
			}
		}
	})
}

// An id is collected once, whoever says so how often at once, and what has no
// life left is not kept for ever.
func TestCarrierIDsTogether(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ids := newStore(t, client).CarrierIDs(testKeyring(t), "carrier")
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if _, err := ids.Collect(context.Background(), "x", string(rune('a'+i%4)), time.Hour); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, err := ids.Collect(context.Background(), "x", "a", time.Hour); n != 4 || err != nil {
			t.Errorf("%d items, %v", n, err)
		}
		if err := ids.Remember(context.Background(), "x", "y", -time.Second); err != nil {
			t.Error(err)
		}
		if _, err := ids.Collect(context.Background(), "z", "a", -time.Second); err != nil {
			t.Error(err)
		}
		for _, key := range client.Keys(context.Background(), "*").Val() {
			if client.PTTL(context.Background(), key).Val() == -1 {
				t.Errorf("key %s has no TTL", key)
			}
		}
	})
}

func TestCarrierIDsSayWhenRedisIsGone(t *testing.T) {
	server := redistest.Start(t)
	c := redisstore.DefaultConfig()
	c.Addresses = []string{server.Addr()}
	reg := prometheus.NewRegistry()
	s := redisstore.New(connect(t, c), redisstore.NewMetrics(reg))
	t.Cleanup(func() { _ = s.Close() })
	ids := s.CarrierIDs(testKeyring(t), "carrier")
	if err := ids.Remember(context.Background(), "1", "vf_x.1", time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	ctx := context.Background()
	if err := ids.Remember(ctx, "1", "vf_x.1", time.Hour); err == nil {
		t.Error("remembered nowhere")
	}
	if got, err := ids.Recall(ctx, "1", "2"); err == nil {
		t.Errorf("recalled %q from nowhere", got)
	}
	if n, err := ids.Collect(ctx, "1", "1", time.Hour); err == nil {
		t.Errorf("collected %d nowhere", n)
	}
	failed := byOp(t, reg, "denwa_store_errors_total")
	for _, o := range []string{"remember", "recall", "collect"} {
		if failed[o] != 1 {
			t.Errorf("%v failures of %s are counted", failed[o], o)
		}
	}
}

// TestReceiptReachesAnotherInstance has two instances at a message centre by
// others, the npm package smpp, which answers in hexadecimal and reports in
// decimal, over the connection of whoever bound last.
func TestReceiptReachesAnotherInstance(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		cfg := smpp.DefaultConfig()
		cfg.Address = startCentre(t, `{"password":"secret","ids":16,"receipts":10,"elsewhere":true}`)
		cfg.Name, cfg.SystemID, cfg.Password, cfg.Source = "carrier", "denwa", "secret", "Example"
		type arrival struct {
			at string
			providers.Receipt
		}
		arrivals := make(chan arrival, 10)
		instance := func(name string) *smpp.Provider {
			ids := newStore(t, client).CarrierIDs(testKeyring(t), cfg.Name)
			p, err := smpp.New(cfg, ids, func(_ context.Context, _ string, r providers.Receipt) error {
				arrivals <- arrival{name, r}
				return nil
			}, smpp.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			return p
		}
		send := func(p *smpp.Provider, delivery, text string, at string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			msg := providers.Message{Delivery: delivery, To: "+819012345678", Text: text, ValidFor: time.Minute}
			if _, err := p.SendMessage(ctx, msg); err != nil {
				t.Fatal(err)
			}
			want := arrival{at, providers.Receipt{Delivery: delivery, Status: providers.Delivered}}
			select {
			case got := <-arrivals:
				if got != want {
					t.Errorf("arrived: %v, want %v", got, want)
				}
			case <-ctx.Done():
				t.Fatalf("no receipt of %s", delivery)
			}
		}
		one := instance("one")
		send(one, "vf_a.1", "x", "one") // so it is bound, and two binds later
		two := instance("two")
		send(two, "vf_b.1", "x", "two")
		send(one, "vf_c.1", strings.Repeat("認証コード", 20), "two") // in two parts
		requireTTLs(t, client)
	})
}

// startCentre starts a message centre, which ends with the test, and returns its address.
func startCentre(t *testing.T, options string) string {
	t.Helper()
	node, peers := providertest.Node(t, "smpp")
	cmd := exec.Command(node, "../../providers/smpp/testdata/centre.cjs", peers, options)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // when it is closed, also by this process' end, the centre ends
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	var listening struct {
		Port int `json:"port"`
	}
	if err = errors.Join(err, json.Unmarshal([]byte(first), &listening)); err != nil {
		t.Errorf("the centre says %q: %v", first, err)
	}
	drained := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, lines); close(drained) }()
	t.Cleanup(func() {
		_ = in.Close()
		<-drained
		_ = cmd.Wait()
	})
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(listening.Port))
}

package hooks

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

// TestNothingPrivate: no number, code or secret is in the log, the store or the
// metrics, whatever happens to a request.
func TestNothingPrivate(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client, nil)
		for _, c := range callers(t) {
			g.fail("+"+recordedNumber, providers.Rejected)
			for _, body := range []string{c.body, c.body, c.to("81312345"), c.to("447400123456"), c.body[:len(c.body)-5], c.body + "x"} {
				g.post(c.path(), body, c.sign(body, g.read()))
				g.post(c.path(), body, http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + recordedCode}})
			}
		}
		families, err := g.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var metrics bytes.Buffer
		for _, f := range families {
			fmt.Fprintln(&metrics, f)
		}
		for where, text := range map[string]string{"log": g.log.String(), "store": dump(t, client), "metrics": metrics.String()} {
			if len(text) < 500 {
				t.Errorf("%s: there is nothing in it: %q", where, text)
			}
			for _, private := range []string{
				recordedNumber, recordedNumber[2:], "9012345678", "447400123456", "7400123456", recordedCode, plainSecret, basicPassword, supabaseSecret[9:],
			} {
				if at := strings.Index(text, private); at >= 0 {
					t.Errorf("%s: %q in %q", where, private, text[max(0, at-100):min(len(text), at+100)])
				}
			}
		}
	})
}

// dump is every key and value that the store holds.
func dump(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	ctx := context.Background()
	var out strings.Builder
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		fmt.Fprintln(&out, k)
		switch kind := client.Type(ctx, k).Val(); kind {
		case "hash":
			for f, v := range client.HGetAll(ctx, k).Val() {
				fmt.Fprintln(&out, f, v)
			}
		case "zset":
			fmt.Fprintln(&out, client.ZRange(ctx, k, 0, -1).Val())
		case "string":
			fmt.Fprintln(&out, client.Get(ctx, k).Val())
		default:
			t.Fatalf("%s is a %s", k, kind)
		}
	}
	return out.String()
}

// TestMetrics: every hook has its series from the start, also after the
// configuration changed, and strangers make none.
func TestMetrics(t *testing.T) {
	g := newGateway(t, connect(t, ""), func(c *gateway.Config) { c.Apps[0].Hooks = c.Apps[0].Hooks[:1] })
	for _, o := range outcomes() {
		if n := g.counted(gateway.HookSupabase, o); n != 0 {
			t.Errorf("%s: %v", o, n)
		}
	}
	policy := g.service.Policy()
	changed := policy.Config
	changed.Apps = append([]gateway.App{}, changed.Apps...)
	changed.Apps[0].Hooks = append(changed.Apps[0].Hooks, callerOf(t, gateway.HookOkta).hook)
	next, err := gateway.NewPolicy(changed, policy.Routes())
	if err != nil {
		t.Fatal(err)
	}
	g.service.SetPolicy(next)
	g.post("/hooks/stranger/anything", "", http.Header{})
	g.post("/hooks/portal/okta", "", http.Header{})
	if n := g.counted(gateway.HookOkta, sent); n != 0 {
		t.Errorf("sent: %v", n)
	}
	if n := g.counted(gateway.HookOkta, unauthorized); n != 1 {
		t.Errorf("unauthorized: %v", n)
	}
	families, err := g.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "denwa_hook_requests_total" && len(f.GetMetric()) != 2*len(outcomes()) {
			t.Errorf("%d series", len(f.GetMetric()))
		}
	}
}

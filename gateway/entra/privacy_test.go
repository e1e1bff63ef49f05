package entra_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestNothingLeaks searches all that requests of every kind left in the log, the
// metrics and the store, and all failures that were answered.
func TestNothingLeaks(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		authorization := w.token(nil)
		var said strings.Builder
		post := func(body string, headers map[string]string) {
			headers["Authorization"] = "Bearer " + w.token(nil)
			if got := w.post(body, headers); got.status != 200 {
				said.WriteString(got.body + "\n")
			}
			w.clock.pass(time.Minute)
		}
		inside := func(change map[string]any) string {
			return envelope(t, map[string]any{"encryptedDeliveryContext": encrypt(t, change, nil)})
		}
		attempts := func() map[string]string { return map[string]string{"X-Ms-Client-Request-Id": attempt} }
		post(envelope(t, nil), attempts())
		post(envelope(t, nil), attempts())
		post(envelope(t, map[string]any{"mode": 2}), attempts())
		post(inside(map[string]any{"extension": "20411"}), attempts())
		post(inside(map[string]any{"phoneNumber": "+81120123456"}), attempts())
		post(inside(map[string]any{"phoneNumber": "+8190123456789999"}), attempts())
		post(inside(map[string]any{"message": ""}), attempts())
		post(inside(map[string]any{"nonce": ""}), attempts())
		post(inside(map[string]any{"message": "Example: \x07 " + code}), attempts())
		post(envelope(t, map[string]any{"channel": mobile, "correlationId": mobile}), attempts())
		post(envelope(t, map[string]any{"encryptedDeliveryContext": nonce}), attempts())
		for _, kind := range []string{"invalid", "rejected", "throttled", "unavailable", "auth", "ambiguous"} {
			for _, carrier := range []string{"first", "second"} {
				w.behave(carrier, mobile, `{"error":"`+kind+`"}`)
			}
			post(envelope(t, nil), map[string]string{"X-Ms-Client-Request-Id": mobile})
		}
		w.post(envelope(t, nil), map[string]string{"Authorization": "Bearer " + authorization + "x"})

		places := map[string]string{"the log": w.log.String(), "failures": said.String(), "the store": dump(t, client), "metrics": w.metrics()}
		if !strings.Contains(places["the log"], `"outcome":"accepted"`) || !strings.Contains(places["the log"], correlation) {
			t.Errorf("the log doesn't tell of the request")
		}
		if len(places["the store"]) < 1000 || !strings.Contains(places["metrics"], "denwa_entra_requests_total") {
			t.Fatal("nothing was searched")
		}
		for _, secret := range []string{
			mobile[1:], "9012345678", "09012345678", "90-1234-5678", code, "is your code", nonce, "120123456", "20411", "203.0.113.7",
			authorization[:40], strings.Split(authorization, ".")[2][:20], "PRIVATE KEY",
		} {
			for place, text := range places {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, place)
				}
			}
		}
	})
}

// dump is all that the store holds: keys and values.
func dump(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	ctx := context.Background()
	var all strings.Builder
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		kind, err := client.Type(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		switch kind {
		case "hash":
			value, err = client.HGetAll(ctx, key).Result()
		case "string":
			value, err = client.Get(ctx, key).Result()
		case "zset":
			value, err = client.ZRange(ctx, key, 0, -1).Result()
		case "set":
			value, err = client.SMembers(ctx, key).Result()
		case "list":
			value, err = client.LRange(ctx, key, 0, -1).Result()
		case "stream":
			value, err = client.XRange(ctx, key, "-", "+").Result()
		default:
			t.Fatalf("key %q is a %s: search it too", key, kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %v\n", key, value)
	}
	return all.String()
}

func (w *world) metrics() string {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			fmt.Fprintf(&all, "%s{%s}\n", f.GetName(), strings.Join(labels, ","))
		}
	}
	return all.String()
}

// TestMetricsBegin: all that can be counted is there from the first scrape, at
// zero, and nothing else ever comes.
func TestMetricsBegin(t *testing.T) {
	w := newWorld(t, embedded(t))
	var want []string
	for _, outcome := range []string{
		"accepted", "repeated", "evaluated", "evaluated_refused", "bad_request", "expired", "decryption_failed", "unauthorized", "forbidden",
		"undeliverable", "blocked", "limited", "throttled", "credentials", "failed", "timeout", "late", "unavailable", "internal",
	} {
		want = append(want, "denwa_entra_requests_total{app=portal,outcome="+outcome+"}")
		if n := w.count(outcome); n != 0 {
			t.Errorf("%s begins at %d", outcome, n)
		}
	}
	want = append(want, "denwa_entra_decryptions_total{app=portal,key="+kid+"}",
		"denwa_entra_key_fetches_total{outcome=failed}", "denwa_entra_key_fetches_total{outcome=ok}",
		"denwa_entra_signers_fetched_timestamp_seconds{app=portal}") // which can't begin at zero
	w.post(envelope(t, nil), nil)
	w.post(envelope(t, map[string]any{"encryptedDeliveryContext": encrypt(t, nil, func(e *encryption) { e.kid = otherKID })}), nil)
	w.post("", map[string]string{"Authorization": ""})
	got := strings.Count(w.metrics(), "denwa_entra_")
	for _, series := range want {
		if !strings.Contains(w.metrics(), series+"\n") {
			t.Errorf("%s is missing", series)
		}
	}
	if got != len(want) {
		t.Errorf("%d series, want %d", got, len(want))
	}
}

// TestUnknownKeyIsNamed: whoever sets this up learns from the log which key
// Entra ID uses; what isn't a key's name stays out.
func TestUnknownKeyIsNamed(t *testing.T) {
	w := newWorld(t, embedded(t))
	for _, name := range []string{otherKID, "819012345678"} {
		w.post(envelope(t, map[string]any{"encryptedDeliveryContext": encrypt(t, nil, func(e *encryption) { e.kid = name })}), nil)
	}
	if log := w.log.String(); !strings.Contains(log, `"why":"unknown key `+otherKID+`"`) || strings.Contains(log, "819012345678") {
		t.Errorf("the log says %s", log)
	}
}

package entra_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/ratelimit/redistest"
)

// TestRepeatWhileInFlight: a caller that tries again while its first try is under
// way gets the same answer, with the nonce of each try, and one message goes out.
func TestRepeatWhileInFlight(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		const tries = 8
		arrived, release := make(chan struct{}, tries), make(chan struct{})
		w.asked.before = func() { arrived <- struct{}{}; <-release }
		var wg sync.WaitGroup
		replies := make([]reply, tries)
		try := func(i int) {
			body := envelope(t, map[string]any{"encryptedDeliveryContext": encrypt(t, map[string]any{"nonce": fmt.Sprintf("nonce-%d", i)}, nil)})
			wg.Go(func() { replies[i] = w.post(body, map[string]string{"X-Ms-Client-Request-Id": attempt}) })
		}
		try(0)
		<-arrived // the first is at its provider
		for i := 1; i < tries; i++ {
			try(i)
		}
		close(release)
		wg.Wait()
		for i, r := range replies {
			if want := strings.Replace(good, nonce, fmt.Sprintf("nonce-%d", i), 1); r.status != 200 || r.body != want {
				t.Errorf("try %d: %d %s, want %s", i, r.status, r.body, want)
			}
		}
		if texts, asked := w.texts(mobile), w.asked.all(); len(texts) != 1 || len(asked) != 1 {
			t.Errorf("%d messages, %d dispatches", len(texts), len(asked))
		}
		if w.count("accepted") != 1 || w.count("repeated") != tries-1 {
			t.Errorf("%d accepted, %d repeated", w.count("accepted"), w.count("repeated"))
		}
	})
}

// TestReplay: the same ciphertext sends once, whatever it is called; the same
// attempt with other words or another phone is another request.
func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		send := func(body, id string, status, messages int, what string) {
			t.Helper()
			w.clock.pass(time.Minute) // over the number's cooldown
			got := w.post(body, map[string]string{"X-Ms-Client-Request-Id": id})
			if n := len(w.texts(mobile)) + len(w.texts("+819087654321")); got.status != status || n != messages {
				t.Errorf("%s: %d %s, %d messages, want %d", what, got.status, got.body, n, messages)
			}
		}
		body := envelope(t, nil)
		send(body, attempt, 200, 1, "first")
		send(body, attempt, 200, 1, "the same")
		send(body, "another-attempt", 200, 1, "the same under another name")
		send(body, "", 200, 1, "the same without a name")
		send(envelope(t, nil), attempt, 200, 1, "the same attempt, encrypted again")
		send(envelope(t, nil), "a-new-attempt", 200, 2, "the person asked again")
		other := map[string]any{"message": "Example: 555555 is your code."}
		send(envelope(t, map[string]any{"encryptedDeliveryContext": encrypt(t, other, nil)}), attempt, 200, 3, "the same attempt, another code")
		phone := map[string]any{"phoneNumber": "+819087654321"}
		send(envelope(t, map[string]any{"encryptedDeliveryContext": encrypt(t, phone, nil)}), attempt, 200, 4, "the same attempt, another phone")
	})
}

// TestRepeatAfterCrash: an instance died after it sent the code, and before it noted
// that. Entra ID encrypts the same attempt anew; it sends nothing more.
func TestRepeatAfterCrash(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		for range 2 {
			if got := w.post(envelope(t, nil), map[string]string{"X-Ms-Client-Request-Id": attempt}); got.status != 200 || got.body != good {
				t.Errorf("%d %s", got.status, got.body)
			}
			for _, key := range client.Keys(t.Context(), "*i:*").Val() {
				client.HDel(t.Context(), key, "o")
			}
			w.clock.pass(time.Minute)
		}
		if texts := w.texts(mobile); len(texts) != 1 {
			t.Errorf("%d messages", len(texts))
		}
	})
}

// TestRepeatAfterExpiry: a try that had to wait until its code was over sends nothing.
func TestRepeatAfterExpiry(t *testing.T) {
	w := newWorld(t, embedded(t))
	w.asked.before = func() { w.clock.pass(10 * time.Second) }
	first := map[string]any{"ttlSeconds": 5}
	if got := w.post(envelope(t, first), map[string]string{"X-Ms-Client-Request-Id": attempt}); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if r := w.asked.all()[0]; r.ValidFor > 5*time.Second {
		t.Errorf("valid for %v", r.ValidFor)
	}
}

// TestStoreDown: without its store the gateway sends nothing and says so; then
// all goes on.
func TestStoreDown(t *testing.T) {
	server := redistest.Start(t)
	w := newWorld(t, connect(t, server))
	if got := w.post(envelope(t, nil), nil); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	server.Kill()
	body := envelope(t, nil)
	headers := map[string]string{"X-Ms-Client-Request-Id": attempt}
	want := `{"error":"delivery_failed","correlationId":"` + correlation + `","requestId":"r1"}`
	if got := w.post(body, headers); got.status != 503 || got.body != want || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := w.post(envelope(t, map[string]any{"mode": 2}), nil); got.status != 200 {
		t.Errorf("an evaluation needs no store: %d %s", got.status, got.body)
	}
	if n := len(w.texts(mobile)); n != 1 {
		t.Errorf("%d messages", n)
	}
	server.Restart()
	w.clock.pass(time.Minute)
	if got := w.post(body, headers); got.status != 200 || len(w.texts(mobile)) != 2 {
		t.Errorf("after the restart: %d %s", got.status, got.body)
	}
}

// TestKeyRotation: keys overlap, each found by its kid, and go with the next
// configuration.
func TestKeyRotation(t *testing.T) {
	w := newWorld(t, embedded(t))
	follow := func(keys ...gateway.EntraKey) {
		t.Helper()
		p, err := gateway.NewPolicy(w.config(func(c *gateway.Config) { c.Apps[0].Entra.Keys = keys }), w.service.Policy().Routes())
		if err != nil {
			t.Fatal(err)
		}
		w.service.SetPolicy(p)
	}
	before, after := gateway.EntraKey{KID: kid, PrivateKey: pemOf(t, ours())}, gateway.EntraKey{KID: otherKID, PrivateKey: pemOf(t, stranger())}
	send := func(to any, name string) int {
		t.Helper()
		compact := encrypt(t, nil, func(e *encryption) { e.to, e.kid = to, name })
		return w.post(envelope(t, map[string]any{"mode": 2, "encryptedDeliveryContext": compact}), nil).status
	}
	for _, step := range []struct {
		keys     []gateway.EntraKey
		old, new int
	}{
		{[]gateway.EntraKey{before}, 200, 400},
		{[]gateway.EntraKey{before, after}, 200, 200},
		{[]gateway.EntraKey{after}, 400, 200},
	} {
		follow(step.keys...)
		if was, is := send(ours().Public(), kid), send(stranger().Public(), otherKID); was != step.old || is != step.new {
			t.Errorf("%d keys: %d by the old, %d by the new; want %d, %d", len(step.keys), was, is, step.old, step.new)
		}
		if mixed := send(ours().Public(), otherKID); mixed != 400 {
			t.Errorf("%d keys: encrypted to one key under the name of the other: %d", len(step.keys), mixed)
		}
	}
	if n := w.authority.asked.Load(); n != 1 {
		t.Errorf("the signing keys were fetched %d times, though they are the same", n)
	}
}

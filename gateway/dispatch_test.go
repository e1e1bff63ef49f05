package gateway_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

const signIn = "Example: 493817 is your sign-in code."

func TestDispatch(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		d, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{
			To: "090-1234-5678", Message: signIn, Reference: "user 42", ValidFor: 5 * time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(d.ID), "dl_") || d.Status != providers.Accepted || d.To != "+819012345678" ||
			d.Reference != "user 42" || d.ExpiresAt.Sub(d.CreatedAt) != 5*time.Minute || len(d.Attempts) != 1 || d.Attempts[0].Segments != 1 {
			t.Errorf("%+v", d)
		}
		if got := g.messages("+819012345678"); len(got) != 1 || got[0].Text != signIn {
			t.Errorf("the phone got %+v, want the text unchanged", got)
		}
		g.reaches(d.ID, providers.Delivered)

		// To another app, to the calls for verifications, and to checks it doesn't exist.
		if _, err := g.Dispatched(t.Context(), g.app("other"), string(d.ID), time.Time{}, 0); gateway.CodeOf(err) != gateway.CodeNotFound {
			t.Errorf("another app reads it: %v", err)
		}
		for _, id := range []string{string(d.ID), "vf_" + d.ID.Name()} {
			if _, err := g.Get(t.Context(), g.app("portal"), id); gateway.CodeOf(err) != gateway.CodeNotFound {
				t.Errorf("it can be read as a verification: %v", err)
			}
			if _, _, err := g.Check(t.Context(), g.app("portal"), id, "493817"); gateway.CodeOf(err) != gateway.CodeNotFound {
				t.Errorf("it can be checked: %v", err)
			}
		}
		v := g.start("03-1234-5678")
		for _, id := range []string{string(v.ID), "dl_" + v.ID.Name(), "dl_", ""} {
			if _, err := g.Dispatched(t.Context(), g.app("portal"), id, time.Time{}, 0); gateway.CodeOf(err) != gateway.CodeNotFound {
				t.Errorf("%q can be read as a delivery: %v", id, err)
			}
		}
	})
}

// reaches waits for a dispatch to have a status.
func (g *testGateway) reaches(id gateway.ID, want providers.Status) (d *gateway.Dispatch) {
	g.t.Helper()
	for range 500 {
		var err error
		if d, err = g.Dispatched(g.t.Context(), g.app("portal"), string(id), time.Time{}, 0); err != nil {
			g.t.Fatal(err)
		}
		if d.Status == want {
			return d
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatalf("it stays %s, want %s", d.Status, want)
	return nil
}

func TestDispatchIsRefused(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		for _, tt := range []struct {
			name string
			r    gateway.DispatchRequest
			code gateway.Code
		}{
			{"no number", gateway.DispatchRequest{Message: signIn}, gateway.CodeInvalidNumber},
			{"no message", gateway.DispatchRequest{To: "090-1234-5678", Message: " \n"}, gateway.CodeInvalidRequest},
			{"too long", gateway.DispatchRequest{To: "090-1234-5678", Message: strings.Repeat("あ", gateway.MaxMessage+1)}, gateway.CodeInvalidRequest},
			{"control character", gateway.DispatchRequest{To: "090-1234-5678", Message: "a\x07b"}, gateway.CodeInvalidRequest},
			{"not UTF-8", gateway.DispatchRequest{To: "090-1234-5678", Message: "a\xffb"}, gateway.CodeInvalidRequest},
			{"no language", gateway.DispatchRequest{To: "090-1234-5678", Message: signIn, Locale: "?"}, gateway.CodeInvalidRequest},
			{"too long a life", gateway.DispatchRequest{To: "090-1234-5678", Message: signIn, ValidFor: 2 * time.Hour}, gateway.CodeInvalidRequest},
			{"toll-free", gateway.DispatchRequest{To: "0120-123-456", Message: signIn}, gateway.CodeNumberNotAllowed},
			{"sms to a fixed line", gateway.DispatchRequest{To: "03-1234-5678", Channel: gateway.SMS, Message: signIn}, gateway.CodeChannelNotAvailable},
		} {
			if _, err := g.Dispatch(t.Context(), g.app("portal"), tt.r); gateway.CodeOf(err) != tt.code {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
			}
		}
		// Limits are the number's: what verifications spend, deliveries spend too.
		g.start("090-1234-5678")
		_, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: "090-1234-5678", Message: signIn})
		if gateway.CodeOf(err) != gateway.CodeRateLimited {
			t.Errorf("%v, want the cooldown's refusal", err)
		}
	})
}

func TestDispatchFailsOver(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		const number = "+819012345678"
		g.fail("first", number, providers.Unavailable)
		d, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: number, Message: signIn})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Attempts) != 2 || d.Attempts[0].Status != providers.Failed || d.Attempts[1].Provider != "second" || len(g.messages(number)) != 1 {
			t.Errorf("%+v", d.Attempts)
		}

		g.clock.pass(time.Minute)
		g.fail("first", number, providers.Throttled)
		g.fail("second", number, providers.Rejected)
		_, err = g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: number, Message: signIn})
		var refused *gateway.Error
		if !errors.As(err, &refused) || refused.Code != gateway.CodeDeliveryFailed || refused.Dispatch == nil ||
			refused.Dispatch.Status != providers.Failed || providers.KindOf(err) != providers.Rejected {
			t.Errorf("%v, want delivery_failed with the last provider's reason", err)
		}
	})
}

// A call reads the text out twice, on whichever instance the carrier asks, and
// nothing that is pressed means anything.
func TestDispatchBySpeech(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		const number = "+81312345678"
		d, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: number, Message: signIn, Locale: "en-US"})
		if err != nil {
			t.Fatal(err)
		}
		if d.Channel != gateway.Voice || d.Locale != "en-US" {
			t.Errorf("%+v", d)
		}
		g.answer(number)
		g.reaches(d.ID, providers.Answered)
		said := strings.Join(g.lastCall(number).Said, " ")
		if n := strings.Count(said, "four nine three eight one seven"); n != 2 || !strings.Contains(strings.ReplaceAll(said, "  ", " "), "Example: four") {
			t.Errorf("it said %q", said)
		}
		script, err := g.Script(t.Context(), string(d.ID)+".1")
		if err != nil || script.Message != signIn {
			t.Errorf("the script is %+v, %v", script, err)
		}
		if verdict, err := g.Press(t.Context(), "first", string(d.ID)+".1", "#"); verdict != "over" || err != nil {
			t.Errorf("a key press is %q, %v", verdict, err)
		}
		// Its text is gone when it makes no sense any more.
		g.clock.pass(11 * time.Minute)
		if _, err := g.store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Script(t.Context(), string(d.ID)+".1"); !errors.Is(err, providers.ErrNoCall) {
			t.Errorf("the text can still be read: %v", err)
		}
		for key := range everything(t, client) {
			if strings.Contains(key, ":v:") || strings.HasPrefix(key, "v:") {
				if n := client.HExists(t.Context(), key, "z").Val(); n {
					t.Errorf("%s still has the text", key)
				}
			}
		}
	})
}

// everything lists the store's keys.
func everything(t *testing.T, client redis.UniversalClient) map[string]bool {
	t.Helper()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, k := range keys {
		all[k] = true
	}
	return all
}

func TestDispatchIsWaitedFor(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		d, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: "03-1234-5678", Message: signIn})
		if err != nil {
			t.Fatal(err)
		}
		ringing := g.reaches(d.ID, providers.Ringing)
		news := make(chan *gateway.Dispatch, 1)
		go func() {
			d, _ := g.Dispatched(context.WithoutCancel(t.Context()), g.app("portal"), string(d.ID), ringing.UpdatedAt, 30*time.Second)
			news <- d
		}()
		time.Sleep(50 * time.Millisecond) // so that mostly it waits already
		g.clock.pass(time.Second)
		g.act(g.lastCall("+81312345678"), "hangup", "")
		select {
		case d := <-news:
			if d == nil || d.Status == providers.Ringing {
				t.Errorf("woken without news: %+v", d)
			}
		case <-time.After(time.Minute):
			t.Error("nobody was woken")
		}
	})
}

// A code of the caller's own is sent, accepted once, and readable nowhere.
func TestOwnCode(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		const number, code = "+819012345678", "70219384"
		v, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: number, Code: code, Brand: "Elsewhere"})
		if err != nil {
			t.Fatal(err)
		}
		texts := g.messages(number)
		if len(texts) != 1 || !strings.Contains(texts[0].Text, code) || !strings.Contains(texts[0].Text, "Elsewhere") {
			t.Fatalf("the phone got %+v", texts)
		}
		g.clock.pass(time.Minute)
		if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), ""); err != nil {
			t.Fatal(err)
		}
		if again := g.messages(number); len(again) != 2 || again[1].Text != strings.Replace(again[0].Text, "10分", "9分", 1) {
			t.Errorf("the second message is another: %+v", again)
		}
		for key := range everything(t, client) {
			if dump := client.Dump(t.Context(), key); strings.Contains(dump.Val(), code) {
				t.Errorf("%s holds the code", key)
			}
		}
		check := func(typed string) bool {
			valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), typed)
			if err != nil {
				t.Fatal(err)
			}
			return valid
		}
		if check("70219385") || check(g.keys.Code(v.ID, "portal")) || !check(code) {
			t.Error("another code than the caller's is right")
		}
		if _, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), code); gateway.CodeOf(err) != gateway.CodeNotPending {
			t.Errorf("it is right a second time: %v", err)
		}
		for _, bad := range []string{"123", "12345678901", "12a456", "１２３４５６"} {
			_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: "090-1111-2222", Code: bad})
			if gateway.CodeOf(err) != gateway.CodeInvalidRequest {
				t.Errorf("%q as a code: %v", bad, err)
			}
		}
	})
}

func TestApprove(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start("090-1234-5678")
		if _, err := g.Approve(t.Context(), g.app("other"), string(v.ID)); gateway.CodeOf(err) != gateway.CodeNotFound {
			t.Errorf("another app approves it: %v", err)
		}
		v, err := g.Approve(t.Context(), g.app("portal"), string(v.ID))
		if err != nil || v.Status != gateway.Approved {
			t.Errorf("%+v, %v", v, err)
		}
		if _, err := g.Approve(t.Context(), g.app("portal"), string(v.ID)); gateway.CodeOf(err) != gateway.CodeNotPending {
			t.Errorf("it is approved twice: %v", err)
		}
	})
}

func TestOnce(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		once := gateway.NewIdempotency(g.store, g.keys)
		var ran atomic.Int32
		work := func(ctx context.Context, seed []byte) (*gateway.Reply, bool) {
			ran.Add(1)
			time.Sleep(100 * time.Millisecond)
			_, err := g.Dispatch(ctx, g.app("portal"), gateway.DispatchRequest{To: "090-1234-5678", Message: signIn, Seed: seed})
			if err != nil {
				return &gateway.Reply{Status: 500, Body: []byte(err.Error())}, false
			}
			return &gateway.Reply{Status: 200, Body: []byte("sent")}, true
		}
		var wg sync.WaitGroup
		replies := make([]string, 20)
		for i := range replies {
			wg.Go(func() {
				r, err := once.Once(t.Context(), "portal", "request 1", work)
				if err != nil {
					replies[i] = err.Error()
					return
				}
				replies[i] = string(r.Body)
			})
		}
		wg.Wait()
		if slices.ContainsFunc(replies, func(s string) bool { return s != "sent" }) || ran.Load() != 1 || len(g.messages("+819012345678")) != 1 {
			t.Errorf("ran %d times: %q", ran.Load(), replies)
		}

		// A reply that isn't kept is asked for again, and so is one that panicked.
		again := 0
		for range 2 {
			_, err := once.Once(t.Context(), "portal", "request 2", func(context.Context, []byte) (*gateway.Reply, bool) {
				again++
				return &gateway.Reply{Status: 503}, false
			})
			if err != nil {
				t.Error(err)
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = once.Once(t.Context(), "portal", "request 2", func(context.Context, []byte) (*gateway.Reply, bool) { panic("here") })
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := once.Once(ctx, "portal", "request 2", func(context.Context, []byte) (*gateway.Reply, bool) {
			return &gateway.Reply{Status: 200}, true
		})
		if again != 2 || err != nil || r.Status != 200 {
			t.Errorf("ran %d times, then %+v, %v", again, r, err)
		}
	})
}

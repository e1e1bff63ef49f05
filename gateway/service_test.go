package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
	"denwa/providers/sandbox"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

const mobile = "090-1234-5678"

func TestVerificationBySMS(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile, Reference: "user 7", Purpose: "sign_in"})
		if err != nil {
			t.Fatal(err)
		}
		if v.Status != gateway.Pending || v.To != "+819012345678" || v.ToMasked != "+81 90-****-5678" || v.Country != "JP" ||
			v.NumberType != "mobile" || v.Channel != gateway.SMS || v.Mode != gateway.ModeCode || v.Locale != "ja" ||
			v.Reference != "user 7" || v.Purpose != "sign_in" || v.AttemptsRemaining() != 5 || v.SendsRemaining() != 4 {
			t.Errorf("started %+v", v)
		}
		if d := v.NextSendAt[gateway.SMS].Sub(v.CreatedAt); d != 30*time.Second {
			t.Errorf("next send after %v", d)
		}
		if len(v.Deliveries) != 1 || v.Deliveries[0].Provider != "first" || v.Deliveries[0].Segments != 1 {
			t.Errorf("deliveries %+v", v.Deliveries)
		}
		code := g.lastCode("+819012345678")

		wrong := "000000"
		if code == wrong {
			wrong = "000001"
		}
		valid, v2, err := g.Check(t.Context(), g.app("portal"), string(v.ID), wrong)
		if err != nil || valid || v2.AttemptsRemaining() != 4 || v2.Status != gateway.Pending {
			t.Errorf("wrong code: %v, %+v, %v", valid, v2, err)
		}
		valid, v3, err := g.Check(t.Context(), g.app("portal"), string(v.ID), fullWidth(code))
		if err != nil || !valid || v3.Status != gateway.Approved || v3.NextSendAt != nil {
			t.Errorf("right code: %v, %+v, %v", valid, v3, err)
		}
		valid, _, err = g.Check(t.Context(), g.app("portal"), string(v.ID), code)
		if valid || gateway.CodeOf(err) != gateway.CodeNotPending {
			t.Errorf("second use: %v, %v", valid, err)
		}
		got, err := g.Get(t.Context(), g.app("portal"), string(v.ID))
		if err != nil || got.Status != gateway.Approved || got.To != v.To || got.Reference != "user 7" {
			t.Errorf("afterwards: %+v, %v", got, err)
		}
	})
}

func fullWidth(digits string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, digits)
}

// TestGuessesAtOnce is the promise about guesses: 500 wrong codes at once, five
// are evaluated, and no more.
func TestGuessesAtOnce(t *testing.T) { guessesAtOnce(t, "") }

// TestGuessesOfOnePage: that they come from one page makes none of them free.
func TestGuessesOfOnePage(t *testing.T) { guessesAtOnce(t, "page") }

func guessesAtOnce(t *testing.T, request gateway.StoreName) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		code := g.lastCode("+819012345678")
		evaluated, refused := g.checkAtOnce(v, 500, request, func(i int) string {
			guess := fmt.Sprintf("%06d", i)
			if guess == code {
				guess = "999999"
			}
			return guess
		})
		if evaluated != 5 || refused != 495 {
			t.Errorf("%d evaluated, %d refused", evaluated, refused)
		}
		if got, err := g.Get(t.Context(), g.app("portal"), string(v.ID)); err != nil || got.Status != gateway.Failed {
			t.Errorf("%+v, %v", got, err)
		}
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), code); valid || gateway.CodeOf(err) != gateway.CodeNotPending {
			t.Errorf("the right code after that: %v, %v", valid, err)
		}
	})
}

// TestRightCodeAtOnce: the right code 200 times at once is accepted once.
func TestRightCodeAtOnce(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		code := g.lastCode("+819012345678")
		accepted, refused := g.checkAtOnce(v, 200, "", func(int) string { return code })
		if accepted != 1 || refused != 199 {
			t.Errorf("%d accepted, %d refused", accepted, refused)
		}
	})
}

// checkAtOnce makes n checks at once and counts those that were evaluated and
// those that found it over.
func (g *testGateway) checkAtOnce(v *gateway.Verification, n int, request gateway.StoreName, code func(i int) string) (evaluated, refused int) {
	g.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			_, _, err := g.CheckOnce(context.Background(), g.app("portal"), string(v.ID), code(i), request)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				evaluated++
			case gateway.CodeOf(err) == gateway.CodeNotPending:
				refused++
			default:
				g.t.Errorf("check: %v", err)
			}
		})
	}
	close(ready)
	wg.Wait()
	return evaluated, refused
}

// TestStartsAtOnce: 200 starts at once for one number make one verification
// and one message.
func TestStartsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		var mu sync.Mutex
		var wg sync.WaitGroup
		started, limited := 0, 0
		for range 200 {
			wg.Go(func() {
				_, err := g.Start(context.Background(), g.app("portal"), gateway.StartRequest{To: mobile})
				mu.Lock()
				defer mu.Unlock()
				var e *gateway.Error
				switch {
				case err == nil:
					started++
				case errors.As(err, &e) && e.Code == gateway.CodeRateLimited && e.Limit == string(ratelimit.NumberCooldown) && e.RetryAfter > 0:
					limited++
				default:
					t.Errorf("start: %v", err)
				}
			})
		}
		wg.Wait()
		if messages := g.messages("+819012345678"); started != 1 || limited != 199 || len(messages) != 1 {
			t.Errorf("%d started, %d limited, %d messages", started, limited, len(messages))
		}
	})
}

func TestResend(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		first := g.lastCode("+819012345678")
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), other(first)); valid || err != nil {
			t.Fatal(valid, err)
		}
		if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), ""); gateway.CodeOf(err) != gateway.CodeRateLimited {
			t.Errorf("resend at once: %v", err)
		}
		for i := range 4 {
			g.clock.pass(20 * time.Minute / 10)
			again, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), gateway.SMS)
			if err != nil {
				t.Fatal(err)
			}
			if again.AttemptsRemaining() != 4 || again.SendsRemaining() != 3-i || len(again.Deliveries) != i+2 || !again.ExpiresAt.Equal(v.ExpiresAt) {
				t.Errorf("resend %d: %+v", i, again)
			}
		}
		if messages := g.messages("+819012345678"); len(messages) != 5 || g.lastCode("+819012345678") != first {
			t.Errorf("%d messages, and the code may have changed", len(messages))
		}
		g.clock.pass(time.Minute)
		var e *gateway.Error
		if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), ""); !errors.As(err, &e) || e.Limit != "max_sends" {
			t.Errorf("sixth send: %v", err)
		}
		elsewhere, err := g.Start(t.Context(), g.app("other"), gateway.StartRequest{To: "090-9999-0000"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Resend(t.Context(), g.app("other"), string(elsewhere.ID), gateway.Voice); gateway.CodeOf(err) != gateway.CodeChannelNotAvailable {
			t.Errorf("resend by a channel that the app doesn't offer: %v", err)
		}
	})
}

// other is another code than code.
func other(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// TestMessageSaysWhatIsLeft: a code that is sent again isn't valid for as long as
// it was at first.
func TestMessageSaysWhatIsLeft(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		for i, want := range []string{"10分間有効", "7分間有効", "1分間有効"} {
			if i > 0 {
				if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), ""); err != nil {
					t.Fatal(err)
				}
			}
			all := g.messages("+819012345678")
			if len(all) != i+1 || !strings.Contains(all[i].Text, "（"+want) {
				t.Errorf("message %d says %q, want %s", i+1, all[len(all)-1].Text, want)
			}
			g.clock.pass([]time.Duration{2*time.Minute + time.Second, 7*time.Minute + 30*time.Second, 0}[i])
		}
	})
}

// TestTwoPeopleOneNumber: what one person sees says nothing about the other.
func TestTwoPeopleOneNumber(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		a := g.start(mobile)
		codeA := g.lastCode("+819012345678")
		g.clock.pass(31 * time.Second)
		b := g.start(mobile)
		codeB := g.lastCode("+819012345678")
		if a.ID == b.ID || len(b.Deliveries) != 1 || b.AttemptsRemaining() != 5 {
			t.Errorf("they share a verification: %+v", b)
		}
		if codeA != codeB {
			if valid, _, err := g.Check(t.Context(), g.app("portal"), string(b.ID), codeA); valid || err != nil {
				t.Errorf("A's code at B's: %v, %v", valid, err)
			}
		}
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(a.ID), codeA); !valid || err != nil {
			t.Errorf("A's own: %v, %v", valid, err)
		}
		if got, err := g.Get(t.Context(), g.app("portal"), string(b.ID)); err != nil || got.Status != gateway.Pending {
			t.Errorf("B's after A's approval: %+v, %v", got, err)
		}
	})
}

func TestForeignAppSeesNothing(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		code := g.lastCode("+819012345678")
		stranger, ctx := g.app("other"), t.Context()
		_, _, checked := g.Check(ctx, stranger, string(v.ID), code)
		_, canceled := g.Cancel(ctx, stranger, string(v.ID))
		_, resent := g.Resend(ctx, stranger, string(v.ID), "")
		_, read := g.Get(ctx, stranger, string(v.ID))
		_, waited := g.WaitSince(ctx, stranger, string(v.ID), time.Time{}, time.Second)
		_, unknown := g.Get(ctx, stranger, "vf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
		for _, err := range []error{checked, canceled, resent, read, waited, unknown} {
			if err == nil || err.Error() != unknown.Error() || gateway.CodeOf(err) != gateway.CodeNotFound {
				t.Errorf("%v", err)
			}
		}
		if valid, _, err := g.Check(ctx, g.app("portal"), string(v.ID), code); !valid || err != nil {
			t.Errorf("its own app afterwards: %v, %v", valid, err)
		}
	})
}

// TestExpiryBoundary: a code is good until the very end, and not at it.
func TestExpiryBoundary(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, at := range []struct {
			offset time.Duration
			valid  bool
		}{{-time.Microsecond, true}, {0, false}, {time.Hour, false}} {
			g := newGateway(t, client)
			if err := client.FlushDB(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			v := g.start(mobile)
			code := g.lastCode("+819012345678")
			g.clock.set(v.ExpiresAt.Add(at.offset))
			got, err := g.Get(t.Context(), g.app("portal"), string(v.ID))
			if err != nil || (got.Status == gateway.Pending) != at.valid {
				t.Errorf("%v: read %+v, %v", at.offset, got, err)
			}
			valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), code)
			if valid != at.valid || !valid && gateway.CodeOf(err) != gateway.CodeNotPending {
				t.Errorf("%v: %v, %v", at.offset, valid, err)
			}
		}
	})
}

func TestWaitReturnsOnApprovalElsewhere(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		here, there := newGateway(t, client), newGateway(t, client)
		v := there.start(mobile)
		code := there.lastCode("+819012345678")
		type result struct {
			v   *gateway.Verification
			err error
		}
		waited := make(chan result)
		go func() {
			v, err := here.WaitSince(context.Background(), here.app("portal"), string(v.ID), time.Time{}, time.Minute)
			for err == nil && v.Status == gateway.Pending { // a receipt came first
				v, err = here.WaitSince(context.Background(), here.app("portal"), string(v.ID), time.Time{}, time.Minute)
			}
			waited <- result{v, err}
		}()
		if valid, _, err := there.Check(t.Context(), there.app("portal"), string(v.ID), code); !valid || err != nil {
			t.Fatal(valid, err)
		}
		select {
		case r := <-waited:
			if r.err != nil || r.v.Status != gateway.Approved {
				t.Errorf("%+v, %v", r.v, r.err)
			}
		case <-time.After(time.Minute):
			t.Error("the waiter wasn't woken")
		}
	})
}

func TestWaitEndsByItself(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		g.settle(v)
		began := time.Now()
		if got, err := g.WaitSince(t.Context(), g.app("portal"), string(v.ID), time.Time{}, 50*time.Millisecond); err != nil || got.Status != gateway.Pending {
			t.Errorf("%+v, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if got, err := g.WaitSince(ctx, g.app("portal"), string(v.ID), time.Time{}, time.Minute); err != nil || got.Status != gateway.Pending {
			t.Errorf("%+v, %v", got, err)
		}
		if time.Since(began) > 30*time.Second {
			t.Error("it waited to the end although its caller left")
		}
	})
}

// TestFailover: the next provider gets the same code, and every attempt is on record.
func TestFailover(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, kind := range providers.Kinds() {
			t.Run(string(kind), func(t *testing.T) {
				g := newGateway(t, client)
				if err := client.FlushDB(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				g.fail("first", "+819012345678", kind)
				v, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile})
				var e *gateway.Error
				if !kind.TryNext() {
					if !errors.As(err, &e) || e.Code != gateway.CodeDeliveryFailed {
						t.Fatalf("%+v, %v", v, err)
					}
					if v = e.Verification; v.Status != gateway.Pending || len(v.Deliveries) != 1 || v.Deliveries[0].Status != providers.Failed {
						t.Errorf("%+v", v)
					}
					if n := len(g.messages("+819012345678")); n != 0 {
						t.Errorf("%d messages", n)
					}
					return
				}
				if err != nil || len(v.Deliveries) != 2 || v.Deliveries[0].Status != providers.Failed || v.Deliveries[1].Provider != "second" {
					t.Fatalf("%+v, %v", v, err)
				}
				want := 4
				if kind == providers.Ambiguous { // the phone may get both
					want = 3
				}
				if v.SendsRemaining() != want {
					t.Errorf("%d sends remain, want %d", v.SendsRemaining(), want)
				}
				if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), g.lastCode("+819012345678")); !valid || err != nil {
					t.Errorf("%v, %v", valid, err)
				}
			})
		}
	})
}

func TestNobodyAccepts(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		g.fail("first", "+819012345678", providers.Unavailable)
		g.fail("second", "+819012345678", providers.Throttled)
		_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile})
		var e *gateway.Error
		if !errors.As(err, &e) || e.Code != gateway.CodeDeliveryFailed || e.Verification == nil || e.Verification.Status != gateway.Pending {
			t.Fatal(err)
		}
		for _, d := range e.Verification.Deliveries {
			if d.Status != providers.Failed {
				t.Errorf("%+v", d)
			}
		}
		g.clock.pass(31 * time.Second)
		v, err := g.Resend(t.Context(), g.app("portal"), string(e.Verification.ID), "")
		if err != nil || v.Deliveries[len(v.Deliveries)-1].Provider != "first" {
			t.Fatalf("%+v, %v", v, err)
		}
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), g.lastCode("+819012345678")); !valid || err != nil {
			t.Errorf("%v, %v", valid, err)
		}
	})
}

func TestReceiptsReachTheVerification(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		got := g.settle(v)
		if got.Deliveries[0].Status != providers.Delivered {
			t.Errorf("%+v", got.Deliveries)
		}
		// Late, repeated, foreign and absurd receipts change nothing, and are no error.
		for _, r := range []providers.Receipt{
			{Delivery: string(v.ID) + ".1", Status: providers.Sent},
			{Delivery: string(v.ID) + ".1", Status: providers.Undelivered},
			{Delivery: string(v.ID) + ".1", Status: providers.Delivered},
			{Delivery: string(v.ID) + ".9", Status: providers.Delivered},
			{Delivery: string(v.ID) + ".0", Status: providers.Delivered},
			{Delivery: string(v.ID), Status: providers.Delivered},
			{Delivery: "vf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1", Status: providers.Delivered},
			{Delivery: "", Status: "nonsense"},
		} {
			if err := g.Receipt(t.Context(), "first", r); err != nil {
				t.Errorf("%+v: %v", r, err)
			}
		}
		if after, err := g.Get(t.Context(), g.app("portal"), string(v.ID)); err != nil || after.Deliveries[0].Status != providers.Delivered || len(after.Deliveries) != 1 {
			t.Errorf("%+v, %v", after, err)
		}
	})
}

// TestVictimKeepsTheirLimits: a stranger uses up what a number's limits allow;
// who has proved to hold it is not concerned.
func TestVictimKeepsTheirLimits(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		holder := gateway.StartRequest{To: mobile, Reference: "holder"}
		v, err := g.Start(t.Context(), g.app("portal"), holder)
		if err != nil {
			t.Fatal(err)
		}
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), g.lastCode("+819012345678")); !valid || err != nil {
			t.Fatal(valid, err)
		}
		var last error
		for range 20 {
			g.clock.pass(31 * time.Second)
			_, last = g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile, Reference: "stranger"})
		}
		if gateway.CodeOf(last) != gateway.CodeRateLimited {
			t.Fatalf("the stranger isn't limited: %v", last)
		}
		if _, err := g.Start(t.Context(), g.app("portal"), holder); err != nil {
			t.Errorf("the holder is locked out: %v", err)
		}
	})
}

func TestSharedLimits(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		var last error
		n := 0
		for ; last == nil && n < 100; n++ {
			_, last = g.Start(t.Context(), g.app("portal"), gateway.StartRequest{
				To: fmt.Sprintf("0901234%04d", n), ClientIP: fmt.Sprintf("2001:db8:0:1::%x", n+1),
			})
		}
		var e *gateway.Error
		if !errors.As(last, &e) || e.Limit != string(ratelimit.ClientAddress) || e.RetryAfter <= 0 || e.Policy.Count == 0 {
			t.Errorf("after %d starts from one /64: %v", n, last)
		}
		if _, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: "09099990000", ClientIP: "2001:db8:0:2::1"}); err != nil {
			t.Errorf("a neighbour: %v", err)
		}
	})
}

// TestRefusedStartTakesNothing: what the number's limits refuse, or what came before,
// is no use of the limits of the address and the app.
func TestRefusedStartTakesNothing(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, func(c *gateway.Config) {
			c.Limits.App = ratelimit.Limit{Burst: 3, Count: 1, Period: time.Hour}
			c.Limits.ClientAddress = c.Limits.App
		})
		send := func(to string, seed []byte) error {
			_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: to, ClientIP: "192.0.2.1", Seed: seed})
			_, dispatched := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: mobile, ClientIP: "192.0.2.1", Message: "Hello"})
			if gateway.CodeOf(dispatched) != gateway.CodeRateLimited {
				t.Errorf("a delivery within the cooldown: %v", dispatched)
			}
			if err := g.GiveBackNow(t.Context()); err != nil {
				t.Fatal(err)
			}
			return err
		}
		seed := g.keys.NewSeed()
		for range 5 { // the first is sent, the others are the same
			if err := send(mobile, seed); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			var e *gateway.Error
			if err := send(mobile, nil); !errors.As(err, &e) || e.Limit != string(ratelimit.NumberCooldown) {
				t.Fatalf("another one within the cooldown: %v", err)
			}
		}
		if err := send("090-1234-5679", nil); err != nil {
			t.Errorf("another number: %v", err)
		}
	})
}

var sixDigits = regexp.MustCompile(`[0-9]{6}`)

// TestExtensionIsAtFault: a bad extension isn't blamed on the number.
func TestExtensionIsAtFault(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: "03-1234-5678", Extension: "12345678901"})
		var refused *gateway.Error
		if !errors.As(err, &refused) || refused.Code != gateway.CodeInvalidNumber || refused.Field != "extension" {
			t.Errorf("a long extension: %+v", err)
		}
	})
}

// TestRoutesDecideTheChannel: a number is offered what a route leads to, and
// nothing else, whoever asks.
func TestRoutesDecideTheChannel(t *testing.T) {
	client := newEmbedded(t)
	log := slog.New(slog.DiscardHandler)
	receive := func(context.Context, string, providers.Receipt) error { return nil }
	a, err := sandbox.New(sandbox.Config{Name: "a"}, sandbox.NewPhones(), receive, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	g := newGatewayOf(t, client, client, []providers.Provider{a}, []providers.Route{
		{Channel: providers.SMS, Countries: []string{"JP"}, NumberTypes: []providers.NumberType{"mobile"}, Apps: []string{"portal"}, Providers: []string{"a"}},
		{Channel: providers.Voice, NumberTypes: []providers.NumberType{"mobile", "fixed_line"}, Providers: []string{"a"}},
	}, withPages)
	for _, test := range []struct {
		app, to, sms, voice string
	}{
		{"portal", mobile, "", ""},
		{"portal", "03-1234-5678", "This is a fixed line, which receives no messages; it can only be called.", ""},
		{"portal", "050-1234-5678", "This is an internet phone number, which receives no messages; it can only be called.", "This gateway has no provider for voice to numbers like this."},
		{"portal", "+82 10-1234-5678", "This gateway has no provider for sms to numbers like this.", ""},
		{"other", mobile, "This gateway has no provider for sms to numbers like this.", "This app doesn't offer voice."},
	} {
		l, err := g.Lookup(t.Context(), g.app(test.app), test.to, "")
		if err != nil {
			t.Fatal(err)
		}
		if sms, voice := l.Channels[gateway.SMS], l.Channels[gateway.Voice]; sms.Reason != test.sms || voice.Reason != test.voice {
			t.Errorf("%s to %s: sms %q, voice %q", test.app, test.to, sms.Reason, voice.Reason)
		}
		v, err := g.Start(t.Context(), g.app(test.app), gateway.StartRequest{To: test.to, Code: "123456", Mode: ""})
		switch want := test.sms + test.voice; {
		case test.sms == "" && (err != nil || v.Channel != gateway.SMS),
			test.sms != "" && test.voice == "" && (err != nil || v.Channel != gateway.Voice),
			test.sms != "" && test.voice != "" && gateway.CodeOf(err) != gateway.CodeChannelNotAvailable:
			t.Errorf("%s to %s: %+v, %v, want %q", test.app, test.to, v, err, want)
		}
	}
	s := newSessions(t, g)
	v, _ := g.visit(s, gateway.SessionRequest{})
	for to, want := range map[string][]gateway.Way{
		mobile:             {{Channel: gateway.SMS}, {Channel: gateway.Voice}},
		"+82 10-1234-5678": {{Channel: gateway.SMS, Obstacle: gateway.ByGateway}, {Channel: gateway.Voice}},
		"050-1234-5678":    {{Channel: gateway.SMS, Obstacle: gateway.ByVoIP}, {Channel: gateway.Voice, Obstacle: gateway.ByGateway}},
	} {
		l, err := g.Lookup(t.Context(), g.app("portal"), to, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Ways(v, l.Number)); diff != "" {
			t.Errorf("ways to %s (-want +got):\n%s", to, diff)
		}
	}
}

// An app serves the countries that it names, or all; what belongs to no country,
// and costs dearly to reach, only by name.
func TestCountries(t *testing.T) {
	const japan, korea, satellite = "090-1234-5678", "+82 10-2345-6789", "+870 301 234 567"
	for _, test := range []struct {
		countries []string
		served    []string
		refused   []string
	}{
		{nil, []string{japan, korea}, []string{satellite}},
		{[]string{"JP"}, []string{japan}, []string{korea, satellite}},
		{[]string{"JP", "001"}, []string{japan, satellite}, []string{korea}},
	} {
		client := connect(t, redistest.Start(t))
		g := newGatewayWith(t, client, client, func(c *gateway.Config) { c.Apps[0].Countries = test.countries })
		for _, number := range test.served {
			g.start(number)
		}
		for _, number := range test.refused {
			_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: number})
			if gateway.CodeOf(err) != gateway.CodeCountryNotAllowed {
				t.Errorf("%v: %s: %v", test.countries, number, err)
			}
		}
	}
}

package hooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
	"denwa/providers/sandbox"
	"denwa/ratelimit/redistest"
)

// TestRepeats: however often a service makes its request, one message is sent and
// every answer is the same. Signed requests are signed anew each time, as
// services do, or replayed as they were.
func TestRepeats(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client, nil)
		for i, c := range callers(t) {
			number := "8190111100" + string(rune('0'+i)) + "1"
			body := c.to(number)
			signed := c.sign(body, g.read())
			first := g.post(c.path(), body, signed)
			g.pass(10 * time.Second)
			replayed := g.post(c.path(), body, signed)
			again := g.post(c.path(), body, c.sign(body, g.read()))
			for what, a := range map[string]answer{"replayed": replayed, "made again": again} {
				if a.status != http.StatusOK || a.body != first.body {
					t.Errorf("%s %s: %s, not %s", c.kind, what, a.line(), first.line())
				}
			}

			together := "8190111100" + string(rune('0'+i)) + "2"
			body = c.to(together)
			answers := make([]answer, 20)
			var all sync.WaitGroup
			for n := range answers {
				all.Go(func() { answers[n] = g.post(c.path(), body, c.sign(body, g.read())) })
			}
			all.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK || a.body != answers[0].body {
					t.Errorf("%s together: %s, not %s", c.kind, a.line(), answers[0].line())
				}
			}
			for _, n := range []string{number, together} {
				if got := len(g.messages("+" + n)); got != 1 {
					t.Errorf("%s: %d messages", c.kind, got)
				}
			}
			if got := [2]float64{g.counted(c.kind, sent), g.counted(c.kind, repeated)}; got != [2]float64{2, 21} {
				t.Errorf("%s: %v sent and repeated", c.kind, got)
			}
		}
	})
}

// gate is a carrier that takes a message when it is let.
type gate struct {
	*sandbox.Provider
	asked chan struct{}
	open  chan struct{}
}

func (g *gate) SendMessage(ctx context.Context, m providers.Message) (providers.Acceptance, error) {
	g.asked <- struct{}{}
	<-g.open
	return g.Provider.SendMessage(ctx, m)
}

// TestRetryInFlight: a service that gives up waiting and tries again, while the
// carrier still has the first try, gets the answer of the first; so does one that
// asks a third time, later.
func TestRetryInFlight(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, kind := range gateway.HookTypes() {
			t.Run(string(kind), func(t *testing.T) {
				asked, open := make(chan struct{}, 10), make(chan struct{})
				g := newGatewayOf(t, client, nil, func(p providers.Provider) providers.Provider {
					return &gate{p.(*sandbox.Provider), asked, open}
				})
				arrived := make(chan struct{}, 10)
				g.mu.Lock()
				g.hold = func(*http.Request) { arrived <- struct{}{} }
				g.mu.Unlock()
				c := callerOf(t, kind)
				number := fmt.Sprintf("819022220%03d", slices.Index(gateway.HookTypes(), kind))
				body := c.to(number)

				impatient, hangUp := context.WithCancel(t.Context())
				var calls sync.WaitGroup
				calls.Go(func() { g.do(impatient, http.MethodPost, c.path(), body, c.sign(body, g.read())) })
				<-arrived
				<-asked // the carrier has it
				hangUp()
				var second answer
				calls.Go(func() { second = g.post(c.path(), body, c.sign(body, g.read())) })
				<-arrived
				close(open)
				calls.Wait()
				third := g.post(c.path(), body, c.sign(body, g.read()))
				if second.status != http.StatusOK || second.body != third.body {
					t.Errorf("the second: %s; the third: %s", second.line(), third.line())
				}
				if n := len(g.messages("+" + number)); n != 1 || len(asked) != 0 {
					t.Errorf("%d messages, and the carrier was asked %d times more", n, len(asked))
				}
			})
		}
	})
}

// TestNothingSent: when no carrier took it, a repeat is a new try. When a carrier
// refused it for good, or may have sent it, a repeat sends nothing.
func TestNothingSent(t *testing.T) {
	for _, kind := range providers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			each(t, func(t *testing.T, client redis.UniversalClient) {
				broken := true
				g := newGatewayOf(t, client, nil, func(p providers.Provider) providers.Provider {
					return failing{p.(*sandbox.Provider), kind, &broken}
				})
				c := callerOf(t, gateway.HookZitadel)
				post := func() answer { return g.post(c.path(), c.body, c.sign(c.body, g.read())) }
				first := post()
				if first.status != http.StatusBadGateway || g.counted(c.kind, undelivered) != 1 {
					t.Errorf("%s", first.line())
				}
				broken = false
				g.pass(time.Minute) // the failed try counts for the cooldown
				second := post()
				messages := len(g.messages("+" + recordedNumber))
				if settled := !kind.TryNext() || kind == providers.Ambiguous; settled {
					if second.body != first.body || second.status != first.status || messages != 0 {
						t.Errorf("%s, and %d messages", second.line(), messages)
					}
				} else if second.status != http.StatusOK || messages != 1 {
					t.Errorf("%s, and %d messages", second.line(), messages)
				}
			})
		})
	}
}

// TestAskedAgain: a service that tries once and sends the same code again when a
// person asks for it gets it sent again; what comes within a moment is a retry.
func TestAskedAgain(t *testing.T) {
	once := []gateway.HookType{gateway.HookAuthentik, gateway.HookKeycloak, gateway.HookLogto}
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client, nil)
		for _, c := range callers(t) {
			for range 2 {
				if a := g.post(c.path(), c.body, c.sign(c.body, g.read())); a.status != http.StatusOK {
					t.Errorf("%s: %s", c.kind, a.line())
				}
			}
			// Stores count the life of a key by their own clock.
			for _, key := range client.Keys(t.Context(), "*i:*").Val() {
				switch left := client.PTTL(t.Context(), key).Val(); {
				case left <= 0 || left > gateway.IdempotencyLife:
					t.Errorf("%s is kept for %s", key, left)
				case left <= moment:
					client.Del(t.Context(), key)
				}
			}
			g.pass(moment)
			want := 1
			if slices.Contains(once, c.kind) {
				want = 2
			}
			if a := g.post(c.path(), c.body, c.sign(c.body, g.read())); a.status != http.StatusOK || len(g.messages("+"+recordedNumber)) != want {
				t.Errorf("%s: %s, and %d messages, want %d", c.kind, a.line(), len(g.messages("+"+recordedNumber)), want)
			}
			g.ask(http.MethodDelete, "+"+recordedNumber, "")
			g.pass(24 * time.Hour)
		}
	})
}

// oneSeed gives every request the seed that a repeat gets when what became of the
// first couldn't be noted.
type oneSeed struct{}

func (oneSeed) OnceIn(ctx context.Context, _, _ string, _ time.Duration, do func(context.Context, []byte) (*gateway.Reply, bool)) (*gateway.Reply, error) {
	r, _ := do(ctx, make([]byte, gateway.SeedSize))
	return r, nil
}

// TestFailureNotNoted: a repeat of what no carrier took isn't told that it was sent.
func TestFailureNotNoted(t *testing.T) {
	broken := true
	g := newGatewayOf(t, connect(t, ""), nil, func(p providers.Provider) providers.Provider {
		return failing{p.(*sandbox.Provider), providers.Unavailable, &broken}
	})
	g.hooks.once = oneSeed{}
	c := callerOf(t, gateway.HookZitadel)
	for range 2 {
		if a := g.post(c.path(), c.body, c.sign(c.body, g.read())); a.status != http.StatusBadGateway {
			t.Errorf("%s", a.line())
		}
		broken = false
		g.pass(time.Minute)
	}
	if got := g.counted(c.kind, undelivered); got != 2 {
		t.Errorf("%v failed", got)
	}
}

// TestOktaUnclear: what may have been sent isn't told as a failure, after which
// Okta sends it by a provider of its own.
func TestOktaUnclear(t *testing.T) {
	broken := true
	g := newGatewayOf(t, connect(t, ""), nil, func(p providers.Provider) providers.Provider {
		return failing{p.(*sandbox.Provider), providers.Ambiguous, &broken}
	})
	c := callerOf(t, gateway.HookOkta)
	const want = `200 | application/json | {"commands":[{"type":"com.okta.telephony.action","value":[{"status":"PENDING","provider":"second","transactionId":"dl_…"}]}]}`
	for range 2 {
		if a := g.post(c.path(), c.body, c.sign(c.body, g.read())); a.line() != want {
			t.Errorf("%s", a.line())
		}
	}
}

// failing is a carrier that fails while it is broken.
type failing struct {
	*sandbox.Provider
	kind   providers.Kind
	broken *bool
}

func (f failing) SendMessage(ctx context.Context, m providers.Message) (providers.Acceptance, error) {
	if *f.broken {
		return providers.Acceptance{}, &providers.Error{Kind: f.kind}
	}
	return f.Provider.SendMessage(ctx, m)
}

// TestCarriersDown: what each service is told when no carrier takes it.
func TestCarriersDown(t *testing.T) {
	broken := true
	g := newGatewayOf(t, connect(t, ""), nil, func(p providers.Provider) providers.Provider {
		return failing{p.(*sandbox.Provider), providers.Unavailable, &broken}
	})
	var got strings.Builder
	for i, c := range callers(t) {
		body := c.to(fmt.Sprintf("819044440%03d", i))
		got.WriteString(string(c.kind) + ": " + g.post(c.path(), body, c.sign(body, g.read())).line() + "\n")
	}
	golden(t, "carriersdown.txt", got.String())
}

// TestStoreDown: nothing is sent that isn't recorded, and each service is told to
// come back in its own way.
func TestStoreDown(t *testing.T) {
	server := redistest.Start(t)
	g := newGateway(t, connect(t, server.Addr()), nil)
	server.Kill()
	var got strings.Builder
	for _, c := range callers(t) {
		a := g.post(c.path(), c.body, c.sign(c.body, g.read()))
		got.WriteString(string(c.kind) + ": " + a.line() + "\n")
		if g.counted(c.kind, unavailable) != 1 {
			t.Errorf("%s: not counted", c.kind)
		}
	}
	golden(t, "storedown.txt", got.String())
	if n := len(g.messages("+" + recordedNumber)); n != 0 {
		t.Errorf("%d messages", n)
	}
	server.Restart()
	c := callerOf(t, gateway.HookOkta)
	if a := g.post(c.path(), c.body, c.sign(c.body, g.read())); a.status != http.StatusOK {
		t.Errorf("after the restart: %s", a.line())
	}
}

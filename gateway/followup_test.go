package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit"
)

// carrier accepts what it is asked for, and writes it down.
type carrier struct {
	name string
	book *book
}

// book is what all carriers of a test were asked for, in order: "<channel> by <name>".
type book struct {
	mu    sync.Mutex
	sends []string
	texts []string
	codes []string
	// failing are the carriers that refuse, and how.
	failing map[string]providers.Kind
	// meanwhile is what happens before a carrier answers.
	meanwhile func(provider, delivery string)
}

func (b *book) write(send, text, code string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sends, b.texts, b.codes = append(b.sends, send), append(b.texts, text), append(b.codes, code)
	if kind := b.failing[send]; kind != "" {
		return &providers.Error{Kind: kind}
	}
	return nil
}

func (b *book) read() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sends)
}

func (c carrier) Name() string { return c.name }
func (c carrier) Close() error { return nil }

func (c carrier) SendMessage(_ context.Context, m providers.Message) (providers.Acceptance, error) {
	if c.book.meanwhile != nil {
		c.book.meanwhile(c.name, m.Delivery)
	}
	return providers.Acceptance{}, c.book.write("sms by "+c.name, m.Text, sixDigits.FindString(m.Text))
}

func (c carrier) PlaceCall(_ context.Context, call providers.Call) (providers.Acceptance, error) {
	if c.book.meanwhile != nil {
		c.book.meanwhile(c.name, call.Delivery)
	}
	return providers.Acceptance{}, c.book.write("voice by "+c.name, call.Script.Message, call.Script.Code)
}

// moving is a verification whose deliveries get lost.
type moving struct {
	*testGateway
	t    *testing.T
	book *book
	v    *gateway.Verification
}

// over are routes over three carriers by SMS and two by voice, in which sms says what follows.
func over(sms providers.Route) []providers.Route {
	sms.Channel, sms.Providers = gateway.SMS, []string{"a", "b", "c"}
	return []providers.Route{sms, {Channel: gateway.Voice, Providers: []string{"a", "b"}}}
}

func newMoving(t *testing.T, client redis.UniversalClient, routes []providers.Route, change func(*gateway.Config),
	bounds ...map[string]providers.Bounds,
) *moving {
	m := &moving{t: t, book: &book{failing: map[string]providers.Kind{}}}
	var carriers []providers.Provider
	for _, name := range []string{"a", "b", "c"} {
		carriers = append(carriers, carrier{name, m.book})
	}
	m.testGateway = newGatewayOf(t, client, client, carriers, routes, change, bounds...)
	return m
}

func (m *moving) begin(ch gateway.Channel) {
	m.t.Helper()
	var err error
	if m.v, err = m.Start(m.t.Context(), m.app("portal"), gateway.StartRequest{To: mobile, Channel: ch}); err != nil {
		m.t.Fatal(err)
	}
}

// report is a receipt of the n-th delivery, by whoever made it.
func (m *moving) report(n int, status providers.Status, kind providers.Kind) {
	m.t.Helper()
	v := m.read()
	if n > len(v.Deliveries) {
		m.t.Fatalf("there is no delivery %d: %+v", n, v.Deliveries)
	}
	err := m.Receipt(m.t.Context(), v.Deliveries[n-1].Provider, providers.Receipt{
		Delivery: fmt.Sprintf("%s.%d", v.ID, n), Status: status, Kind: kind,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.now()
}

func (m *moving) read() *gateway.Verification {
	m.t.Helper()
	v, err := m.Get(m.t.Context(), m.app("portal"), string(m.v.ID))
	if err != nil {
		m.t.Fatal(err)
	}
	return v
}

// after lets time pass and does what is due then.
func (m *moving) after(d time.Duration) {
	m.t.Helper()
	m.clock.pass(d)
	m.now()
}

func (m *moving) now() {
	m.t.Helper()
	if err := m.MoveOnNow(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *moving) lost(n int) { m.t.Helper(); m.report(n, providers.Undelivered, "") }

// TestFollowUp: what is sent by whom, in which order, after what became of a delivery.
func TestFollowUp(t *testing.T) {
	const within = 30 * time.Second // the cooldown of the limits is as long
	usual, voice, stop := providers.Route{}, providers.Route{Then: providers.ThenVoice}, providers.Route{Then: providers.ThenStop}
	silent := providers.Route{ReceiptWithin: within}
	tests := map[string]struct {
		route  providers.Route
		start  gateway.Channel
		change func(*gateway.Config)
		does   func(m *moving)
		want   string
	}{
		"undelivered": {
			does: func(m *moving) { m.lost(1); m.after(within) },
			want: "sms by a, sms by b",
		},
		"not within the cooldown": {
			does: func(m *moving) { m.lost(1); m.after(within - time.Microsecond) },
			want: "sms by a",
		},
		"each of them once": {
			does: func(m *moving) {
				for n := range 3 {
					m.lost(n + 1)
					m.after(within)
				}
				m.after(within)
			},
			want: "sms by a, sms by b, sms by c",
		},
		"voice": {
			route: voice,
			does:  func(m *moving) { m.lost(1) },
			want:  "sms by a, voice by a",
		},
		"voice, whose carrier fails too": {
			route: voice,
			does:  func(m *moving) { m.lost(1); m.report(2, providers.Failed, ""); m.after(within) },
			want:  "sms by a, voice by a, voice by b",
		},
		"voice that the app doesn't offer": {
			route: voice, change: func(c *gateway.Config) { c.Apps[0].Channels = []gateway.Channel{gateway.SMS} },
			does: func(m *moving) { m.lost(1); m.after(within) },
			want: "sms by a, sms by b",
		},
		"stop": {
			route: stop,
			does:  func(m *moving) { m.lost(1); m.after(within) },
			want:  "sms by a",
		},
		"silence": {
			route: silent,
			does:  func(m *moving) { m.after(within) },
			want:  "sms by a, sms by b",
		},
		"silence that isn't long enough": {
			route: silent,
			does:  func(m *moving) { m.after(within - time.Microsecond) },
			want:  "sms by a",
		},
		"silence of all": {
			route: silent,
			does: func(m *moving) {
				for range 4 {
					m.after(within)
				}
			},
			want: "sms by a, sms by b, sms by c",
		},
		"silence where nothing is said of it": {
			does: func(m *moving) { m.after(5 * time.Minute) },
			want: "sms by a",
		},
		"sent is no receipt": {
			route: silent,
			does:  func(m *moving) { m.report(1, providers.Sent, ""); m.after(within) },
			want:  "sms by a, sms by b",
		},
		"delivered": {
			route: silent,
			does:  func(m *moving) { m.report(1, providers.Delivered, ""); m.after(within) },
			want:  "sms by a",
		},
		"delivered after all": {
			does: func(m *moving) { m.lost(1); m.report(1, providers.Delivered, ""); m.after(within) },
			want: "sms by a",
		},
		"an earlier one delivered": {
			route: silent,
			does: func(m *moving) {
				m.after(within)
				m.report(1, providers.Delivered, "")
				m.after(within)
			},
			want: "sms by a, sms by b",
		},
		"the same receipt ten times": {
			does: func(m *moving) {
				for range 10 {
					m.lost(1)
				}
				m.after(within)
				for range 10 {
					m.lost(1)
				}
				m.after(within)
			},
			want: "sms by a, sms by b",
		},
		"a number that nobody reaches": {
			does: func(m *moving) { m.report(1, providers.Undelivered, providers.Invalid); m.after(within) },
			want: "sms by a",
		},
		"a number that only hears": {
			route: voice,
			does:  func(m *moving) { m.report(1, providers.Undelivered, providers.Invalid) },
			want:  "sms by a, voice by a",
		},
		"a number that nobody reaches, and no voice for it": {
			route: voice, change: func(c *gateway.Config) { c.Apps[0].Channels = []gateway.Channel{gateway.SMS} },
			does: func(m *moving) { m.report(1, providers.Undelivered, providers.Invalid); m.after(within) },
			want: "sms by a",
		},
		"refused": {
			route: voice,
			does:  func(m *moving) { m.report(1, providers.Undelivered, providers.Rejected); m.after(within) },
			want:  "sms by a",
		},
		"a route that is down": {
			does: func(m *moving) { m.report(1, providers.Undelivered, providers.Unavailable); m.after(within) },
			want: "sms by a, sms by b",
		},
		"approved": {
			route: silent,
			does: func(m *moving) {
				if valid, _, err := m.Check(m.t.Context(), m.app("portal"), string(m.v.ID), m.book.codes[0]); !valid {
					m.t.Fatal(err)
				}
				m.lost(1)
				m.after(within)
			},
			want: "sms by a",
		},
		"canceled": {
			route: silent,
			does: func(m *moving) {
				if _, err := m.Cancel(m.t.Context(), m.app("portal"), string(m.v.ID)); err != nil {
					m.t.Fatal(err)
				}
				m.lost(1)
				m.after(within)
			},
			want: "sms by a",
		},
		"canceled in the cooldown": {
			does: func(m *moving) {
				m.lost(1)
				if _, err := m.Cancel(m.t.Context(), m.app("portal"), string(m.v.ID)); err != nil {
					m.t.Fatal(err)
				}
				m.after(within)
			},
			want: "sms by a",
		},
		"expired": {
			does: func(m *moving) { m.clock.pass(10 * time.Minute); m.lost(1); m.after(within) },
			want: "sms by a",
		},
		"no use before it expires": {
			change: func(c *gateway.Config) { c.Limits.NumberHour = ratelimit.Limit{Burst: 1, Count: 1, Period: time.Hour} },
			does:   func(m *moving) { m.lost(1); m.after(within); m.after(9 * time.Minute) },
			want:   "sms by a",
		},
		"the last send": {
			change: func(c *gateway.Config) { c.Defaults.MaxSends = 2 },
			does: func(m *moving) {
				m.lost(1)
				m.after(within)
				m.lost(2)
				m.after(within)
			},
			want: "sms by a, sms by b",
		},
		"a resend meanwhile": {
			route: silent,
			does: func(m *moving) {
				m.lost(1)
				m.clock.pass(within)
				if _, err := m.Resend(m.t.Context(), m.app("portal"), string(m.v.ID), ""); err != nil {
					m.t.Fatal(err)
				}
				m.after(within - 1*time.Second)
			},
			want: "sms by a, sms by a",
		},
		"who failed before isn't asked": {
			does: func(m *moving) { m.lost(2); m.after(within) },
			want: "sms by a, sms by b, sms by c",
		},
		"a call that fails": {
			start: gateway.Voice,
			does:  func(m *moving) { m.report(1, providers.Unreachable, ""); m.after(within) },
			want:  "voice by a, voice by b",
		},
		"a call that the person declined": {
			start: gateway.Voice,
			does:  func(m *moving) { m.report(1, providers.Declined, ""); m.after(within) },
			want:  "voice by a",
		},
		"a call that rang in vain": {
			start: gateway.Voice,
			does: func(m *moving) {
				m.report(1, providers.Ringing, "")
				m.report(1, providers.NoAnswer, "")
				m.after(within)
			},
			want: "voice by a",
		},
		"a blocked number": {
			does: func(m *moving) {
				m.lost(1)
				if _, err := m.store.Block(m.t.Context(), gateway.AuditEntry{Number: m.keys.NumberName("+819012345678"), Action: gateway.AuditBlock}, time.Hour); err != nil {
					m.t.Fatal(err)
				}
				m.after(within)
			},
			want: "sms by a",
		},
	}
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				if err := client.FlushDB(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				change := tt.change
				if change == nil {
					change = func(*gateway.Config) {}
				}
				route := usual
				if tt.route.Then != "" || tt.route.ReceiptWithin != 0 {
					route = tt.route
				}
				m := newMoving(t, client, over(route), change)
				if strings.HasPrefix(name, "who failed") {
					m.book.failing["sms by a"] = providers.Unavailable
				}
				m.begin(tt.start)
				tt.does(m)
				if got := strings.Join(m.book.read(), ", "); got != tt.want {
					t.Errorf("sent %s; want %s", got, tt.want)
				}
				for _, code := range m.book.codes {
					if code != m.book.codes[0] {
						t.Error("not all got the same code")
					}
				}
				if v := m.read(); v.Sends > v.MaxSends {
					t.Errorf("%d sends of %d", v.Sends, v.MaxSends)
				}
			})
		}
	})
}

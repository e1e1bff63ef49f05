package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/providers"
)

const (
	back   = "https://portal.example.jp/back"
	public = "https://verify.example.jp"
)

// withPages gives the portal pages.
func withPages(c *gateway.Config) {
	c.Apps[0].Pages = gateway.Pages{ReturnURLs: []string{back}}
}

func newSessions(t *testing.T, g *testGateway) *gateway.Sessions {
	t.Helper()
	s, err := gateway.NewSessions(g.Service, g.store, g.keys, public, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// visit makes a session and opens it.
func (g *testGateway) visit(s *gateway.Sessions, r gateway.SessionRequest) (v *gateway.Visit, cookie string) {
	g.t.Helper()
	r.ReturnURL = back
	made, err := s.Create(g.t.Context(), g.app("portal"), r)
	if err != nil {
		g.t.Fatal(err)
	}
	cookie, err = s.Open(g.t.Context(), string(made.ID), made.URL[strings.LastIndex(made.URL, "/")+1:])
	if err != nil {
		g.t.Fatal(err)
	}
	return g.again(s, made.ID, cookie), cookie
}

// again is the visit as it is now.
func (g *testGateway) again(s *gateway.Sessions, id gateway.SessionID, cookie string) *gateway.Visit {
	g.t.Helper()
	v, err := s.Visit(g.t.Context(), string(id), cookie)
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

// send sends to the number of v.
func (g *testGateway) send(s *gateway.Sessions, v *gateway.Visit, ch gateway.Channel) error {
	g.t.Helper()
	n, err := s.Number(v)
	if err != nil {
		g.t.Fatal(err)
	}
	return s.Send(g.t.Context(), v, gateway.SessionSend{Channel: ch, Seen: s.Seen(v, n), Locale: "ja"})
}

func TestCreateSession(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, withPages)
		s, app := newSessions(t, g), g.app("portal")
		want := gateway.SessionRequest{
			ReturnURL: back + "?step=2", Channels: []gateway.Channel{gateway.Voice}, To: "090-1234-5678", Country: "JP",
			Locale: "en", Purpose: "sign_in", Reference: "user-42", Mode: gateway.ModeKeyed,
		}
		made, err := s.Create(t.Context(), app, want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, made.SessionRequest); diff != "" || made.Status != gateway.Pending || !made.ID.Valid() ||
			made.ExpiresAt.Sub(made.CreatedAt) != 30*time.Minute || !strings.HasPrefix(made.URL, public+"/verify/"+string(made.ID)+"/") {
			t.Errorf("%+v\n%s", made, diff)
		}
		if got := made.BackURL(); got != back+"?step=2&session="+string(made.ID) {
			t.Error(got)
		}
		read, err := s.Get(t.Context(), app, string(made.ID))
		if diff := cmp.Diff(made, read); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if _, err := s.Get(t.Context(), g.app("other"), string(made.ID)); gateway.CodeOf(err) != gateway.CodeNotFound {
			t.Errorf("another app: %v", err)
		}

		seed := bytes.Repeat([]byte{7}, gateway.SeedSize)
		first, err1 := s.Create(t.Context(), app, gateway.SessionRequest{ReturnURL: back, Seed: seed})
		again, err2 := s.Create(t.Context(), app, gateway.SessionRequest{ReturnURL: back, Seed: seed})
		if err := errors.Join(err1, err2); err != nil || first.URL != again.URL {
			t.Errorf("the same request again: %v, %s and %s", err, first.URL, again.URL)
		}

		g.clock.pass(31 * time.Minute)
		if read, err := s.Get(t.Context(), app, string(made.ID)); err != nil || read.Status != gateway.Expired || read.URL != "" {
			t.Errorf("after its time: %+v, %v", read, err)
		}
	})
}

func TestCreateSessionRefuses(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	s := newSessions(t, g)
	for _, c := range []struct {
		change func(*gateway.SessionRequest)
		want   string
	}{
		{func(r *gateway.SessionRequest) { r.ReturnURL = "" }, "invalid_request return_url"},
		{func(r *gateway.SessionRequest) { r.ReturnURL = "https://evil.example/" }, "invalid_request return_url"},
		{func(r *gateway.SessionRequest) { r.Channels = []gateway.Channel{"fax"} }, "invalid_request channels"},
		{func(r *gateway.SessionRequest) { r.Channels = []gateway.Channel{gateway.SMS, gateway.SMS} }, "invalid_request channels"},
		{func(r *gateway.SessionRequest) { r.Mode = "shout" }, "invalid_request mode"},
		{func(r *gateway.SessionRequest) { r.Locale = "fr" }, "invalid_request locale"},
		{func(r *gateway.SessionRequest) { r.Purpose = "spam" }, "invalid_request purpose"},
		{func(r *gateway.SessionRequest) { r.Reference = strings.Repeat("x", 201) }, "invalid_request reference"},
		{func(r *gateway.SessionRequest) { r.Country = "XX" }, "invalid_request country"},
		{func(r *gateway.SessionRequest) { r.To = "1" }, "invalid_number to"},
		{func(r *gateway.SessionRequest) { r.To = "0120-123-456" }, "number_not_allowed to"},
		{func(r *gateway.SessionRequest) { r.To, r.Extension = "03-1234-5678", "x" }, "invalid_number extension"},
	} {
		r := gateway.SessionRequest{ReturnURL: back}
		c.change(&r)
		_, err := s.Create(t.Context(), g.app("portal"), r)
		var refused *gateway.Error
		if !errors.As(err, &refused) || string(refused.Code)+" "+refused.Field != c.want {
			t.Errorf("%+v: %v, want %s", r, err, c.want)
		}
	}
	if _, err := s.Create(t.Context(), g.app("other"), gateway.SessionRequest{ReturnURL: back}); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
		t.Errorf("an app without pages: %v", err)
	}
}

// TestSessionResult: the latest verification decides, and what is approved stays
// so when the verification is no longer kept.
func TestSessionResult(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, withPages)
		s := newSessions(t, g)
		v, cookie := g.visit(s, gateway.SessionRequest{To: "090-1234-5678", Reference: "user-42"})
		if err := g.send(s, v, gateway.SMS); err != nil {
			t.Fatal(err)
		}
		v = g.again(s, v.ID, cookie)
		if v.Verification.Reference != "user-42" || v.Verification.Origin != "verify.example.jp" || v.Turn != 1 || v.Sending {
			t.Errorf("%+v", v)
		}
		if valid, err := s.Check(t.Context(), v, g.lastCode("+819012345678"), 0); !valid || err != nil {
			t.Fatal(valid, err)
		}
		for _, err := range []error{g.send(s, g.again(s, v.ID, cookie), gateway.Voice), s.Resend(t.Context(), g.again(s, v.ID, cookie), gateway.SMS, 1)} {
			if !errors.Is(err, gateway.ErrSessionOver) {
				t.Errorf("after the end: %v", err)
			}
		}
		got, err := s.Get(t.Context(), g.app("portal"), string(v.ID))
		if err != nil || got.Status != gateway.Approved || got.Verification.Status != gateway.Approved || got.URL != "" {
			t.Errorf("%+v, %v", got, err)
		}
		if err := s.Leave(t.Context(), g.again(s, v.ID, cookie)); err != nil {
			t.Error(err)
		}
		if err := client.Del(t.Context(), keysOf(t, client, "v:")...).Err(); err != nil {
			t.Fatal(err)
		}
		got, err = s.Get(t.Context(), g.app("portal"), string(v.ID))
		if err != nil || got.Status != gateway.Approved || got.Verification != nil {
			t.Errorf("without its verification: %+v, %v", got, err)
		}
	})
}

// keysOf are the store's keys of one kind.
func keysOf(t *testing.T, client redis.UniversalClient, kind string) []string {
	t.Helper()
	keys, err := client.Keys(t.Context(), "dnw1:{*}:"+kind+"*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatal(err, keys)
	}
	return keys
}

// TestSessionCall: a key press on the call approves the session, without the page.
func TestSessionCall(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	s := newSessions(t, g)
	v, cookie := g.visit(s, gateway.SessionRequest{To: "03-1234-5678"})
	if err := g.send(s, v, gateway.Voice); err != nil {
		t.Fatal(err)
	}
	v = g.again(s, v.ID, cookie)
	if _, err := g.Approve(t.Context(), g.app("portal"), string(v.Verification.ID)); err != nil {
		t.Fatal(err)
	}
	if v = g.again(s, v.ID, cookie); v.Status != gateway.Approved {
		t.Errorf("%s", v.Status)
	}
}

// TestSessionNewNumber: a new verification takes the place of the old one, whose
// code is no longer good; one that can't be started leaves the old one alone.
func TestSessionNewNumber(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	s := newSessions(t, g)
	v, cookie := g.visit(s, gateway.SessionRequest{To: "090-1234-5678"})
	if err := g.send(s, v, gateway.SMS); err != nil {
		t.Fatal(err)
	}
	old := g.again(s, v.ID, cookie).Verification.ID

	g.start("080-9999-9999") // its cooldown refuses the session
	v = g.again(s, v.ID, cookie)
	if err := s.Enter(t.Context(), v, gateway.Draft{Number: "080-9999-9999"}); err != nil {
		t.Fatal(err)
	}
	if err := g.send(s, v, gateway.SMS); gateway.CodeOf(err) != gateway.CodeRateLimited {
		t.Errorf("within the cooldown: %v", err)
	}
	if v = g.again(s, v.ID, cookie); v.Verification.ID != old || v.Verification.Status != gateway.Pending || v.Sending {
		t.Errorf("after a refusal: %+v", v.Verification)
	}
	g.clock.pass(time.Minute)
	if err := g.send(s, v, gateway.SMS); err != nil {
		t.Fatal(err)
	}
	v = g.again(s, v.ID, cookie)
	was, err := g.Get(t.Context(), g.app("portal"), string(old))
	if err != nil || was.Status != gateway.Canceled || v.Verification.ID == old || v.Verification.To != "+818099999999" {
		t.Errorf("%+v, %v; now %+v", was, err, v.Verification)
	}
}

// TestSessionDeliveryFailed: the verification is there all the same, to be sent
// again by whichever way.
func TestSessionDeliveryFailed(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	s := newSessions(t, g)
	for _, carrier := range []string{"first", "second"} {
		g.fail(carrier, "+819012345678", providers.Unavailable)
	}
	v, cookie := g.visit(s, gateway.SessionRequest{To: "090-1234-5678"})
	if err := g.send(s, v, gateway.SMS); gateway.CodeOf(err) != gateway.CodeDeliveryFailed {
		t.Fatal(err)
	}
	v = g.again(s, v.ID, cookie)
	if v.Verification == nil || v.Verification.Status != gateway.Pending || v.Sending {
		t.Fatalf("%+v", v)
	}
	if err := s.Resend(t.Context(), v, gateway.Voice, v.Turn); err != nil {
		t.Error(err)
	}
	if err := s.Resend(t.Context(), v, gateway.Voice, v.Turn); err != nil {
		t.Errorf("the same page again: %v", err)
	}
	if now := g.again(s, v.ID, cookie).Verification; now.Sends != 2 || now.Channel != gateway.Voice {
		t.Errorf("%+v", now)
	}
}

// TestSessionLivesWithItsVerification: a code that came late in a session's time
// may still be typed.
func TestSessionLivesWithItsVerification(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	s := newSessions(t, g)
	v, cookie := g.visit(s, gateway.SessionRequest{To: "090-1234-5678"})
	g.clock.pass(29 * time.Minute)
	if err := g.send(s, v, gateway.SMS); err != nil {
		t.Fatal(err)
	}
	g.clock.pass(9 * time.Minute)
	v = g.again(s, v.ID, cookie)
	if valid, err := s.Check(t.Context(), v, g.lastCode("+819012345678"), 0); !valid || err != nil {
		t.Error(valid, err)
	}
}

// TestNoRoomForOrigin: a brand that leaves no room for the line that browsers
// read is sent without it.
func TestNoRoomForOrigin(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, func(c *gateway.Config) {
		withPages(c)
		c.Apps[0].Brand = "Example University Hospital"
	})
	s := newSessions(t, g)
	v, _ := g.visit(s, gateway.SessionRequest{To: "090-1234-5678"})
	if err := g.send(s, v, gateway.SMS); err != nil {
		t.Fatal(err)
	}
	if texts := g.messages("+819012345678"); len(texts) != 1 || strings.Contains(texts[0].Text, "verify.example.jp") {
		t.Errorf("%+v", texts)
	}
}

func TestSessionsNeedAPublicURL(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	for _, url := range []string{"", "verify.example.jp", "/x", "http://%zz"} {
		if _, err := gateway.NewSessions(g.Service, g.store, g.keys, url, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}

// TestSessionsStoreDown: nothing is sent that isn't recorded.
func TestSessionsStoreDown(t *testing.T) {
	client := newEmbedded(t)
	g := newGatewayWith(t, client, client, withPages)
	s := newSessions(t, g)
	v, cookie := g.visit(s, gateway.SessionRequest{To: "090-1234-5678"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, _ := s.Number(v)
	for name, err := range map[string]error{
		"create": second(s.Create(ctx, g.app("portal"), gateway.SessionRequest{ReturnURL: back})),
		"get":    second(s.Get(ctx, g.app("portal"), string(v.ID))),
		"visit":  second(s.Visit(ctx, string(v.ID), cookie)),
		"enter":  s.Enter(ctx, v, gateway.Draft{Number: "090-1234-5678"}),
		"send":   s.Send(ctx, v, gateway.SessionSend{Channel: gateway.SMS, Seen: s.Seen(v, n)}),
		"leave":  s.Leave(ctx, v),
	} {
		if gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if texts := g.messages("+819012345678"); len(texts) != 0 {
		t.Errorf("%+v", texts)
	}
}

func second[T any](_ T, err error) error { return err }

func newEmbedded(t *testing.T) redis.UniversalClient {
	t.Helper()
	client, closer, err := redisstore.Connect(redisstore.Config{Type: redisstore.TypeEmbedded})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	return client
}

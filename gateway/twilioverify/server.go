// Package twilioverify is Twilio Verify's API, version 2, over the gateway: for
// software that speaks it already. Twilio's own client libraries work with it
// unchanged once they know its address. docs/twilio-verify.md says what differs.
//
// One verification is pending for a number at a time: asking again sends its
// code again. Which one that is, and what was sent, is kept in a [Store]; all
// else is the gateway's own.
//
// Sources: https://www.twilio.com/docs/verify/api and the models of
// github.com/twilio/twilio-go.
package twilioverify

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"denwa/gateway"
	"denwa/ratelimit"
)

const (
	// Prefix is the path under which the handler is mounted.
	Prefix = "/v2/"
	// Keep is how long attempts are kept: as long as Twilio lists them.
	Keep = 30 * 24 * time.Hour
	// KeepMost is how many attempts are kept for each app.
	KeepMost = 100_000
)

// Verifier is the gateway. [*gateway.Service] is one.
type Verifier interface {
	Policy() *gateway.Policy
	Lookup(ctx context.Context, app *gateway.AppPolicy, number, country string) (gateway.Lookup, error)
	Start(ctx context.Context, app *gateway.AppPolicy, r gateway.StartRequest) (*gateway.Verification, error)
	Resend(ctx context.Context, app *gateway.AppPolicy, id string, channel gateway.Channel) (*gateway.Verification, error)
	Get(ctx context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error)
	Check(ctx context.Context, app *gateway.AppPolicy, id, code string) (valid bool, v *gateway.Verification, err error)
	Cancel(ctx context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error)
	Approve(ctx context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error)
	// Limited counts a request that KeyRate refused.
	Limited(app *gateway.AppPolicy, limit ratelimit.Name)
}

// Turns lets one request at a time work on a key. [*gateway.Idempotency] does:
// what isn't kept is done again by the next one.
type Turns interface {
	Once(ctx context.Context, app, key string, do func(ctx context.Context, seed []byte) (r *gateway.Reply, keep bool)) (*gateway.Reply, error)
}

// KeyRate says whether an API key may make another request now. It doesn't
// block. [*ratelimit.Local] is one; its keys are "<app>/<key>".
type KeyRate interface {
	Allow(key string) ratelimit.Decision
}

// Store is what this dialect remembers beyond the gateway. An error means that
// the store didn't answer. It is safe for concurrent use.
type Store interface {
	// Point remembers for life which verification app has for a number.
	Point(ctx context.Context, app string, number gateway.StoreName, which string, life time.Duration) error
	// Pointed is what Point remembers, or "".
	Pointed(ctx context.Context, app string, number gateway.StoreName) (string, error)
	// Record keeps an attempt. One that is known is left as it is.
	Record(ctx context.Context, app string, a gateway.TwilioAttempt) error
	// Convert notes that the first of these attempts that is kept had its code come back.
	Convert(ctx context.Context, app string, sids ...[gateway.TwilioSIDSize]byte) error
	// Attempts returns those of the given attempts that are kept.
	Attempts(ctx context.Context, app string, sids ...[gateway.TwilioSIDSize]byte) ([]gateway.TwilioAttempt, error)
	// AttemptsAfter returns up to n attempts, the latest first: those behind the
	// attempt after, or with nil, those asked for before that time, if it isn't zero.
	AttemptsAfter(ctx context.Context, app string, after *[gateway.TwilioSIDSize]byte, before time.Time, n int) ([]gateway.TwilioAttempt, error)
}

// Options are what the handler is made of. All but PublicURL are required.
type Options struct {
	Verifier Verifier
	Turns    Turns
	Store    Store
	// Keys name numbers in the store, and seal them.
	Keys    *gateway.Keyring
	KeyRate KeyRate
	// PublicURL is under which clients reach the gateway, without a trailing
	// slash, for the URLs in replies; empty takes each request's own host.
	PublicURL string
	Log       *slog.Logger
}

type server struct {
	verifier Verifier
	turns    Turns
	store    Store
	keys     *gateway.Keyring
	rate     KeyRate
	public   string
	log      *slog.Logger
}

// New returns the handler of everything under [Prefix]. It bounds what it reads.
func New(o Options) http.Handler {
	s := &server{
		verifier: o.Verifier, turns: o.Turns, store: o.Store, keys: o.Keys, rate: o.KeyRate,
		public: o.PublicURL, log: o.Log,
	}
	e := echo.New()
	e.HTTPErrorHandler = s.handleError
	e.Use(s.authenticate) // also what has no route: strangers learn nothing
	const service = "/v2/Services/:service"
	e.POST(service+"/Verifications", s.ofService(s.create))
	e.GET(service+"/Verifications/:sid", s.ofService(s.fetch))
	e.POST(service+"/Verifications/:sid", s.ofService(s.update))
	e.POST(service+"/VerificationCheck", s.ofService(s.check))
	e.GET("/v2/Services", handle(s.listServices))
	e.POST("/v2/Services", handle(s.createService))
	e.GET(service, s.ofService(s.fetchService))
	e.POST(service, s.ofService(s.updateService))
	e.GET("/v2/Attempts", handle(s.listAttempts))
	e.GET("/v2/Attempts/Summary", handle(s.summary))
	e.GET("/v2/Attempts/:sid", handle(s.fetchAttempt))
	return e
}

// call is one request, and whose it is.
type call struct {
	echo.Context

	app *gateway.AppPolicy
}

func handle(serve func(*call) error) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c, ok := ec.(*call)
		if !ok { // authenticate is around everything
			return gone()
		}
		c.Response().Header().Set("Cache-Control", "no-store")
		return serve(c)
	}
}

// ofService is handle for what belongs to a service: the app's own, or none.
func (s *server) ofService(serve func(*call) error) echo.HandlerFunc {
	return handle(func(c *call) error {
		if c.Param("service") != c.app.Twilio.ServiceSID {
			return gone()
		}
		return serve(c)
	})
}

// url is the address of a path, as clients reach it.
func (s *server) url(c *call, path string) string {
	if s.public != "" {
		return strings.TrimSuffix(s.public, "/") + path
	}
	scheme := "http://"
	if c.Request().TLS != nil {
		scheme = "https://"
	}
	return scheme + c.Request().Host + path
}

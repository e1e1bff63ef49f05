// Package httpapi is the gateway's HTTP side: the native API v1, and the public
// and admin listeners that everything else is mounted on.
//
// A request passes observe (request id, panics, errors, log line, metric), the
// router, and then get or post (API key, rate, body, idempotency) to reach an
// endpoint, which answers with a value or an error and never writes. Only events,
// which streams, does all of that itself.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"denwa/gateway"
	"denwa/ratelimit"
)

// Verifier is what the API is about. A failure that a caller should see is a
// [gateway.Error]; any other error is shown as internal.
type Verifier interface {
	Start(ctx context.Context, app *gateway.AppPolicy, r gateway.StartRequest) (*gateway.Verification, error)
	// CheckOnce and ResendOnce do once what one request asks for, unless that is "".
	CheckOnce(ctx context.Context, app *gateway.AppPolicy, id, code string, request gateway.StoreName) (valid bool, v *gateway.Verification, err error)
	ResendOnce(ctx context.Context, app *gateway.AppPolicy, id string, channel gateway.Channel, request gateway.StoreName) (*gateway.Verification, error)
	Cancel(ctx context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error)
	Get(ctx context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error)
	// WaitSince returns when the verification changes, when it is final, or after
	// d; and at once if it isn't any more as it was updated at known, unless that
	// is zero.
	WaitSince(ctx context.Context, app *gateway.AppPolicy, id string, known time.Time, d time.Duration) (*gateway.Verification, error)
	Lookup(ctx context.Context, app *gateway.AppPolicy, number, country string) (gateway.Lookup, error)
}

// Dispatcher brings an app's own texts to phones; [gateway.Service] is one.
type Dispatcher interface {
	Dispatch(ctx context.Context, app *gateway.AppPolicy, r gateway.DispatchRequest) (*gateway.Dispatch, error)
	// Dispatched reads one, waiting as WaitSince does.
	Dispatched(ctx context.Context, app *gateway.AppPolicy, id string, known time.Time, d time.Duration) (*gateway.Dispatch, error)
}

// Idempotency remembers replies by the key that the caller chose.
type Idempotency interface {
	// Begin takes the key for one request, or returns the reply that it had.
	Begin(ctx context.Context, app, key string, fingerprint [32]byte) (*gateway.Ticket, error)
	// Finish keeps the reply, or with nil gives the key back.
	Finish(ctx context.Context, t *gateway.Ticket, r *gateway.Reply) error
}

// KeyRate says whether an API key may make another request now. It doesn't
// block. [ratelimit.Local] is one.
type KeyRate interface {
	Allow(key string) ratelimit.Decision
}

// Options are what a [Server] is made of. All but Callbacks, Mounts, Ready and
// Tracer are required.
type Options struct {
	Config Config
	Admin  AdminConfig

	Verifier    Verifier
	Dispatcher  Dispatcher
	Sessions    Sessions
	Idempotency Idempotency
	// Authenticate returns the app and the name of an API key.
	Authenticate func(key string) (app *gateway.AppPolicy, keyID string, ok bool)
	KeyRate      KeyRate
	// Limited counts a request that KeyRate refused.
	Limited func(app *gateway.AppPolicy, limit ratelimit.Name)
	// KeyLimit returns the limit that KeyRate holds to, for the reply.
	KeyLimit func() ratelimit.Limit

	// Callbacks are carriers' callback handlers by provider name, served under
	// /callbacks/{name}/ with that prefix stripped. They check signatures.
	Callbacks map[string]http.Handler
	// Mounts are other handlers by path prefix, such as "/sandbox/". They see
	// the whole path.
	Mounts map[string]http.Handler

	// AdminMounts are other handlers of the admin listener by path, as
	// [http.ServeMux] has them. They see the whole path.
	AdminMounts map[string]http.Handler

	// Ready is what must work before traffic makes sense, by name.
	Ready map[string]func(context.Context) error

	Log        *slog.Logger
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// Tracer makes a span of each request; nil for none.
	Tracer trace.Tracer
}

// Server is the public and the admin listener.
type Server struct {
	o        Options
	log      *slog.Logger
	duration *prometheus.HistogramVec
	routes   map[string]string // echo's path: the route in logs and metrics

	public, admin *http.Server

	// draining ends when the server begins to shut down.
	draining context.Context //nolint:containedctx // a lifetime, as in http.Server.BaseContext.
	drain    context.CancelFunc
}

// New returns a server that isn't listening yet.
func New(o Options) (*Server, error) {
	s := &Server{o: o, log: slog.New(LogHandler(o.Log.Handler())), duration: newDuration(o.Registerer)}
	s.draining, s.drain = context.WithCancel(context.Background())
	handler, err := s.router()
	if err != nil {
		return nil, err
	}
	c := o.Config
	errorLog := slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // mostly of clients that hang up.
	s.public = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    c.MaxHeader,
		ErrorLog:          errorLog,
	}
	s.admin = &http.Server{
		Handler:           s.adminHandler(),
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      2 * time.Minute, // a CPU profile takes 30 s.
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    c.MaxHeader,
		ErrorLog:          errorLog,
	}
	return s, nil
}

// Public returns the handler of the public listener.
func (s *Server) Public() http.Handler { return s.public.Handler }

// AdminHandler returns the handler of the admin listener.
func (s *Server) AdminHandler() http.Handler { return s.admin.Handler }

// Serve serves both listeners until [Server.Shutdown], then returns nil. If one
// fails, it closes both and returns why.
func (s *Server) Serve(public, admin net.Listener) error {
	var g errgroup.Group
	serve := func(name string, server *http.Server, l net.Listener) {
		g.Go(func() error {
			err := server.Serve(l)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			_ = s.close()
			return fmt.Errorf("serve %s listener: %w", name, err)
		})
	}
	serve("public", s.public, netutil.LimitListener(public, s.o.Config.MaxConnections))
	serve("admin", s.admin, admin)
	return g.Wait()
}

// Shutdown stops the server without losing a request: /readyz turns 503, long
// polls return and event streams end, ShutdownDelay passes, then the public listener closes and
// requests in flight get ShutdownTimeout to finish. The admin listener closes
// last, so that the end can be watched.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	select {
	case <-time.After(s.o.Config.ShutdownDelay):
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Config.ShutdownTimeout, errors.New("requests still in flight after shutdown_timeout"))
	defer cancel()
	err := errors.Join(s.public.Shutdown(ctx), s.admin.Shutdown(ctx))
	if err != nil {
		return fmt.Errorf("shut down: %w", errors.Join(context.Cause(ctx), err, s.close()))
	}
	return nil
}

// close hangs up on everybody.
func (s *Server) close() error { return errors.Join(s.public.Close(), s.admin.Close()) }

// router returns the public handler.
func (s *Server) router() (http.Handler, error) {
	trust, err := trusted(s.o.Config.TrustedProxies)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.IPExtractor = trust
	e.Use(s.observe)
	s.routes = make(map[string]string)
	for _, r := range s.api() {
		e.Add(r.method, echoPath(r.path), r.handle)
		s.routes[echoPath(r.path)] = r.path
		s.duration.WithLabelValues(r.path, r.method, strconv.Itoa(r.success))
	}
	for name, h := range s.o.Callbacks {
		prefix := "/callbacks/" + name
		s.mount(e, prefix+"/*", "/callbacks/{provider}/", http.StripPrefix(prefix, h))
	}
	for prefix, h := range s.o.Mounts {
		s.mount(e, prefix+"*", prefix, h)
		e.GET(strings.TrimSuffix(prefix, "/"), func(c echo.Context) error {
			return c.Redirect(http.StatusPermanentRedirect, prefix)
		})
	}
	return e, nil
}

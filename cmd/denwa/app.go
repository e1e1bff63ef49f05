package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"

	"denwa/config"
	"denwa/gateway"
	"denwa/gateway/dashboard"
	"denwa/gateway/httpapi"
	"denwa/gateway/learning"
	"denwa/gateway/redisstore"
	"denwa/gateway/webhook"
	"denwa/providers"
	"denwa/ratelimit"
)

const (
	// storeWait is how long the store may take to answer at start.
	storeWait = 5 * time.Second
	// namesInterval is how often instances look whether they agree on names.
	namesInterval = 10 * time.Second
	// sweepInterval is how often verifications whose time is over are ended, and
	// deliveries that nothing is heard of moved on.
	sweepInterval = 2 * time.Second
)

// app is a running gateway.
type app struct {
	config  *config.Config
	log     *slog.Logger
	tracer  trace.Tracer // nil: no traces
	ages    *ages
	service *gateway.Service
	keyRate *ratelimit.Local
	server  *httpapi.Server

	public, admin net.Listener
	// drainers have calls in this process.
	drainers []providers.Drainer
	// drains end what shutting down would wait for.
	drains []func() error
	// closers undo what start did, last first.
	closers []func() error
}

// start makes a gateway of c that listens already. It is the only place where
// the parts are put together. When it fails, it has undone what it did.
func start(ctx context.Context, c *config.Config, log *slog.Logger) (_ *app, err error) {
	a := &app{config: c, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()

	if a.public, err = a.listen(ctx, "server.listen", c.Server.Listen); err != nil {
		return nil, err
	}
	if a.admin, err = a.listen(ctx, "admin.listen", c.Admin.Listen); err != nil {
		return nil, err
	}

	if a.tracer, err = a.startTracing(ctx, c.Tracing); err != nil {
		return nil, err
	}
	registry := newRegistry()
	a.ages = newAges(registry, c)
	client, closer, err := redisstore.ConnectSeen(c.Store, a.ages.certificates.Of(partStore, ""))
	if err != nil {
		return nil, err
	}
	a.defers(closer)
	store := redisstore.New(client, redisstore.NewMetrics(registry))
	a.defers(store.Close)
	if err := reach(ctx, store, c.Store); err != nil {
		return nil, err
	}

	master, previous, err := c.Keys.Decode()
	if err != nil {
		return nil, err
	}
	keys, err := gateway.NewKeyring(master, previous...)
	if err != nil {
		return nil, err
	}
	if _, err := keys.ShareNames(ctx, store); err != nil {
		return nil, withExit(exitStore, err)
	}
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(func(ctx context.Context) { a.shareNames(ctx, keys, store) })

	carriers, err := a.providers(store, keys, registry) //nolint:contextcheck // providers live as long as the gateway, not as start.
	if err != nil {
		return nil, err
	}
	sends := providers.NewMetrics(registry, carriers.list, countries(c.Gateway))
	router, err := providers.NewRouter(providers.RouterOptions{
		Routes: c.Routes, Providers: carriers.list, Bounds: carriers.bounds, Metrics: sends, Log: log,
	})
	if err != nil {
		return nil, err
	}
	policy, err := gateway.NewPolicy(c.Gateway, router)
	if err != nil {
		return nil, err
	}
	counts, verified := dashboard.NewRecorder(store.Funnel(), log), gateway.NewMetrics(registry, router)
	sends.Observe(counts)
	verified.Observe(counts)
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(counts.Run)
	teacher := learning.New(learning.Options{Routes: router, Counter: counts, Counts: store.Funnel(), Reg: registry, Log: log})
	verified.ObserveConversion(teacher)
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(teacher.Run)
	a.service = gateway.NewService(gateway.Parts{
		Store: store, Limits: store.Limits(ratelimit.NewRedis(client, ratelimit.Prefix)), Sender: router, Keys: keys,
		Metrics: verified, Receipts: sends, Log: log, Tracer: a.tracer,
	}, policy)
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(func(ctx context.Context) { a.service.Run(ctx, sweepInterval) })

	dispatcher := webhook.New(webhook.Options{
		Outbox: store.Outbox(), Apps: func() []string { return a.service.Policy().Notified() },
		Render: a.event, Metrics: webhook.NewMetrics(registry), Log: log, Tracer: a.tracer,
		Certificates: func(app string) *providers.Certificates { return a.ages.certificates.Of(partWebhook, app) },
	})
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(dispatcher.Run)

	idempotency := gateway.NewIdempotency(store, keys)
	a.keyRate = ratelimit.NewLocal(ratelimit.APIKey, policy.Limits.APIKey)
	sessions, err := gateway.NewSessions(a.service, store, keys, a.publicURL(), log)
	if err != nil {
		return nil, err
	}
	//nolint:contextcheck // they live as long as the gateway, not as start.
	mounts, err := a.mounts(carriers, sessions, store, keys, idempotency, registry)
	if err != nil {
		return nil, err
	}
	//nolint:contextcheck // requests have their own.
	a.server, err = httpapi.New(httpapi.Options{
		Config: c.Server, Admin: c.Admin,
		Verifier: a.service, Dispatcher: a.service, Sessions: sessions, Idempotency: idempotency,
		Authenticate: func(key string) (*gateway.AppPolicy, string, bool) { return a.service.Policy().Authenticate(key) },
		KeyRate:      a.keyRate, Limited: a.service.Limited,
		KeyLimit:  func() ratelimit.Limit { return a.service.Policy().Limits.APIKey },
		Callbacks: carriers.callbacks, Mounts: mounts,
		AdminMounts: dashboardMounts(store, teacher, log),
		Ready:       map[string]func(context.Context) error{"store": a.service.Ready, "providers": router.Ready},
		Log:         log, Registerer: registry, Gatherer: registry, Tracer: a.tracer,
	})
	return a, err
}

// dashboardMounts are what operators look at.
func dashboardMounts(store *redisstore.Store, teacher *learning.Teacher, log *slog.Logger) map[string]http.Handler {
	h := dashboard.NewHandler(dashboard.Options{Store: store.Funnel(), Learning: teacher, Log: log})
	return map[string]http.Handler{"/dashboard": h, "/dashboard/": h}
}

// listen listens at once, so that a port in use is the first thing that is said.
func (a *app) listen(ctx context.Context, key, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		var reason *net.OpError
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return nil, withExit(exitListen, fmt.Errorf("can't listen on %s (%s): %w", address, key, err))
	}
	a.defers(func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// reach waits for the store's first answer.
func reach(ctx context.Context, store *redisstore.Store, c redisstore.Config) error {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	for {
		err := store.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return withExit(exitStore, fmt.Errorf("can't reach the store at %v (store.addresses): %w", c.Addresses, err))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// event says where an event goes now, and what it tells.
func (a *app) event(_ context.Context, n gateway.Notification) (to gateway.Webhook, data json.RawMessage, err error) {
	app := a.service.Policy().App(n.App)
	if app == nil || !app.Webhook.Enabled() {
		return to, nil, fmt.Errorf("app %q has no webhook", n.App)
	}
	v, err := a.service.Notified(n)
	if err != nil {
		return to, nil, err
	}
	data, err = httpapi.Render(v)
	return app.Webhook, data, err
}

// serve serves until ctx ends, then finishes what is in flight and undoes start.
func (a *app) serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.public, a.admin) }()
	select {
	case err := <-served: // a listener broke
		return withExit(exitFailure, errors.Join(err, a.close()))
	case <-ctx.Done():
	}
	a.log.InfoContext(ctx, "stopping: finishing what is in flight")
	for _, drain := range a.drains {
		_ = drain()
	}
	// ctx is over; the time that stopping may take is the server's own business.
	err := a.server.Shutdown(context.WithoutCancel(ctx))
	a.drainCalls(context.WithoutCancel(ctx))
	err = errors.Join(err, <-served, a.close())
	a.log.InfoContext(ctx, "stopped")
	return withExit(exitFailure, err)
}

// drainCalls lets calls come to their end that live in this process. Nobody asks
// for new ones any more, and one that should follow a lost message goes elsewhere.
func (a *app) drainCalls(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Server.ShutdownCalls)
	defer cancel()
	var draining sync.WaitGroup
	for _, p := range a.drainers {
		draining.Go(func() {
			if left := p.Drain(ctx); left > 0 {
				a.log.WarnContext(ctx, "calls are cut off: server.shutdown_calls is over", "provider", p.Name(), "calls", left)
			}
		})
	}
	draining.Wait()
}

// reload follows c's apps, keys, limits, fraud rules and messages. Everything else
// needs a restart: it names the sections of that which changed since the start.
func (a *app) reload(ctx context.Context, c *config.Config) error {
	policy, err := gateway.NewPolicy(c.Gateway, a.service.Policy().Routes())
	if err != nil {
		return err
	}
	a.service.SetPolicy(policy)
	a.keyRate.SetLimit(policy.Limits.APIKey)
	a.ages.follow(c)
	if sections := a.config.NeedsRestart(c); len(sections) > 0 {
		a.log.WarnContext(ctx, "the new configuration changes what only a restart takes over", "sections", strings.Join(sections, ","))
	}
	a.log.InfoContext(ctx, "configuration reloaded", "apps", len(c.Gateway.Apps))
	return nil
}

// shareNames tells a store that lost everything what names are made with.
func (a *app) shareNames(ctx context.Context, keys *gateway.Keyring, store *redisstore.Store) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(namesInterval):
		}
		if changed, err := keys.ShareNames(ctx, store); err == nil && changed { // an error shows wherever else the store is asked
			a.log.WarnContext(ctx, "numbers have other names in the store than before; it lost everything, or keys.master isn't the same on all instances")
		}
	}
}

// background runs work until the gateway closes.
func (a *app) background(work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	a.defers(func() error {
		cancel()
		<-done
		return nil
	})
}

func (a *app) defers(closer func() error) { a.closers = append(a.closers, closer) }

func (a *app) close() error {
	var errs []error
	for _, c := range slices.Backward(a.closers) {
		errs = append(errs, c())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "denwa_build_info", Help: "The running release; always 1.",
		ConstLabels: prometheus.Labels{"version": readBuild().Version, "goversion": runtime.Version()},
	})
	info.Set(1)
	registry.MustRegister(info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// countries are those whose numbers are expected, for metrics that start at zero.
func countries(c gateway.Config) []string {
	expected := []string{c.Defaults.Country}
	for _, a := range c.Apps {
		expected = append(expected, a.Countries...)
	}
	for i, country := range expected {
		expected[i] = providers.CountryLabel(country)
	}
	slices.Sort(expected)
	return slices.Compact(expected)
}

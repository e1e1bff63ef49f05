package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"denwa/config"
	"denwa/gateway"
	"denwa/gateway/dashboard"
	"denwa/gateway/httpapi"
	"denwa/gateway/redisstore"
	"denwa/gateway/webhook"
	"denwa/providers"
	"denwa/ratelimit"
)

const (
	// storeWait is how long the store may take to answer at start.
	storeWait = 5 * time.Second
	// expireInterval is how often verifications whose time is over are ended.
	expireInterval = 2 * time.Second
)

// app is a running gateway.
type app struct {
	config  *config.Config
	log     *slog.Logger
	service *gateway.Service
	keyRate *ratelimit.Local
	server  *httpapi.Server

	public, admin net.Listener
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

	registry := newRegistry()
	client, closer, err := redisstore.Connect(c.Store)
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

	carriers, err := a.providers(store, keys, registry) //nolint:contextcheck // providers live as long as the gateway, not as start.
	if err != nil {
		return nil, err
	}
	sends := providers.NewMetrics(registry, carriers.list, countries(c.Gateway))
	router, err := providers.NewRouter(c.Routes, carriers.list, carriers.bounds, sends, log)
	if err != nil {
		return nil, err
	}
	policy, err := gateway.NewPolicy(c.Gateway, router.Offered())
	if err != nil {
		return nil, err
	}
	counts, verified := dashboard.NewRecorder(store.Funnel(), log), gateway.NewMetrics(registry)
	sends.Observe(counts)
	verified.Observe(counts)
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(counts.Run)
	a.service = gateway.NewService(gateway.Parts{
		Store: store, Limits: ratelimit.NewRedis(client, ratelimit.Prefix), Sender: router, Keys: keys,
		Metrics: verified, Receipts: sends, Log: log,
	}, policy)
	//nolint:contextcheck // it lives as long as the gateway, not as start.
	a.background(func(ctx context.Context) { a.service.ExpireEvery(ctx, expireInterval) })

	dispatcher := webhook.New(webhook.Options{
		Outbox: store.Outbox(), Apps: func() []string { return a.service.Policy().Notified() },
		Render: a.event, Metrics: webhook.NewMetrics(registry), Log: log,
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
		AdminMounts: dashboardMounts(store, log),
		Ready:       map[string]func(context.Context) error{"store": a.service.Ready, "providers": router.Ready},
		Log:         log, Registerer: registry, Gatherer: registry,
	})
	return a, err
}

// dashboardMounts are what operators look at.
func dashboardMounts(store *redisstore.Store, log *slog.Logger) map[string]http.Handler {
	h := dashboard.NewHandler(dashboard.Options{Store: store.Funnel(), Log: log})
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
	err = errors.Join(err, <-served, a.close())
	a.log.InfoContext(ctx, "stopped")
	return withExit(exitFailure, err)
}

// reload follows c's apps, keys, limits and messages. Everything else needs a
// restart, which it says if something of it changed.
func (a *app) reload(ctx context.Context, c *config.Config) error {
	policy, err := gateway.NewPolicy(c.Gateway, a.service.Policy().Offered())
	if err != nil {
		return err
	}
	a.service.SetPolicy(policy)
	a.keyRate.SetLimit(policy.Limits.APIKey)
	was, is := *a.config, *c
	was.Gateway, is.Gateway = gateway.Config{}, gateway.Config{}
	if !reflect.DeepEqual(was, is) { //nolint:forbidigo // not of secrets' values alone, and nobody outside times it.
		a.log.WarnContext(ctx, "the new configuration changes more than apps, limits and messages; restart to take that over")
	}
	a.log.InfoContext(ctx, "configuration reloaded", "apps", len(c.Gateway.Apps))
	return nil
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
	slices.Sort(expected)
	return slices.Compact(expected)
}

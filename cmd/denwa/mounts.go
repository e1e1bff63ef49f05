package main

import (
	"log/slog"
	"maps"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/gateway/entra"
	"denwa/gateway/hooks"
	"denwa/gateway/httpapi"
	"denwa/gateway/redisstore"
	"denwa/gateway/twilioverify"
)

// mounts are what the public listener serves besides the native API, by the
// beginning of its paths: the APIs of others that the gateway speaks, and the
// phone on the screen.
func (a *app) mounts(c carriers, store *redisstore.Store, keys *gateway.Keyring, once *gateway.Idempotency, reg prometheus.Registerer) map[string]http.Handler {
	log := slog.New(httpapi.LogHandler(a.log.Handler())) // with the request's id
	tenants := entra.New(entra.Options{
		Policy: a.service.Policy, Deliverer: a.service, Repeats: once, Log: log, Registerer: reg,
	})
	a.background(tenants.Warm)
	mounted := map[string]http.Handler{
		twilioverify.Prefix: twilioverify.New(twilioverify.Options{
			Verifier: a.service, Turns: once, Keys: keys, KeyRate: a.keyRate,
			Store:     store.TwilioVerify(twilioverify.Keep, twilioverify.KeepMost),
			PublicURL: a.config.Server.PublicURL, Log: log,
		}),
		"/entra/": tenants,
		"/hooks/": hooks.New(hooks.Options{Service: a.service, Idempotency: once, Registerer: reg, Log: log}),
	}
	maps.Copy(mounted, c.mounts)
	return mounted
}

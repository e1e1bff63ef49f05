package main

import (
	"cmp"
	"log/slog"
	"maps"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/config"
	"denwa/gateway"
	"denwa/gateway/demo"
	"denwa/gateway/entra"
	"denwa/gateway/hooks"
	"denwa/gateway/httpapi"
	"denwa/gateway/pages"
	"denwa/gateway/redisstore"
	"denwa/gateway/twilioverify"
)

// mounts are what the public listener serves besides the native API, by the
// beginning of its paths: pages, the APIs of others that the gateway speaks, and
// the phone on the screen.
func (a *app) mounts(c carriers, sessions *gateway.Sessions, store *redisstore.Store, keys *gateway.Keyring, once *gateway.Idempotency, reg prometheus.Registerer) (map[string]http.Handler, error) {
	log := slog.New(httpapi.LogHandler(a.log.Handler())) // with the request's id
	tenants := entra.New(entra.Options{
		Policy: a.service.Policy, Deliverer: a.service, Repeats: once, Log: log, Registerer: reg,
		Certificates: a.ages.certificates.Of(partEntra, ""),
	})
	a.background(tenants.Warm)
	hosted, err := pages.New(pages.Options{Sessions: sessions, ClientAddress: httpapi.ClientAddress, Log: log})
	if err != nil {
		return nil, err
	}
	a.drains = append(a.drains, hosted.Close)
	mounted := map[string]http.Handler{
		gateway.SessionsPath: hosted,
		twilioverify.Prefix: twilioverify.New(twilioverify.Options{
			Verifier: a.service, Turns: once, Keys: keys, KeyRate: a.keyRate,
			Store:     store.TwilioVerify(twilioverify.Keep, twilioverify.KeepMost),
			PublicURL: a.config.Server.PublicURL, Log: log,
		}),
		"/entra/": tenants,
		"/hooks/": hooks.New(hooks.Options{Service: a.service, Idempotency: once, Registerer: reg, Log: log}),
	}
	maps.Copy(mounted, c.mounts)
	portal, err := a.demo(c, log)
	if portal != nil {
		mounted["/demo/"] = portal
	}
	return mounted, err
}

// here is the address of the public listener.
func (a *app) here() string { return "http://" + a.public.Addr().String() }

// publicURL is how browsers reach the gateway.
func (a *app) publicURL() string { return cmp.Or(a.config.Server.PublicURL, a.here()) }

// demo is a portal to try things out with, where there is a phone on the screen
// and the key that everybody knows; nil elsewhere.
func (a *app) demo(c carriers, log *slog.Logger) (http.Handler, error) {
	if _, _, known := a.service.Policy().Authenticate(config.PlaygroundKey); !known || c.mounts["/sandbox/"] == nil {
		return nil, nil //nolint:nilnil // there is none, and nothing is wrong.
	}
	return demo.New(demo.Options{API: a.here(), Key: config.PlaygroundKey, PublicURL: a.publicURL(), Log: log})
}

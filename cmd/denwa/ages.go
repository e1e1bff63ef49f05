package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/config"
	"denwa/gateway"
	"denwa/providers"
)

// The parts of the gateway whose certificates are told apart, as a label.
const (
	partStore    = "store"
	partProvider = "provider"
	partWebhook  = "webhook"
	partEntra    = "entra"
)

// Which key it is, as a label.
const (
	useMaster = "master"
	useAPIKey = "api_key"
)

// ages tell how old keys are and when certificates expire, so that somebody
// changes them in time.
type ages struct {
	certificates *providers.CertificateMetrics
	created      *prometheus.GaugeVec
}

// newAges tells of the master key that c has, which is in use until the gateway
// ends, whatever a later configuration says, and of all that follow tells of.
func newAges(reg prometheus.Registerer, c *config.Config) *ages {
	a := &ages{
		certificates: providers.NewCertificateMetrics(reg),
		created: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "denwa_key_created_timestamp_seconds",
			Help: "When a key was made, as Unix time, if the configuration says so: keys.created, and created of API keys.",
		}, []string{"use", "app", "name"}),
	}
	reg.MustRegister(a.created)
	a.keyCreated(c.Keys.Created, useMaster, "", "")
	a.follow(c)
	return a
}

// follow tells of the keys of c's apps, and no longer of what was said before, nor of
// the certificates of apps and webhooks that are gone.
func (a *ages) follow(c *config.Config) {
	a.created.DeletePartialMatch(prometheus.Labels{"use": useAPIKey})
	apps, hooks := map[string]bool{"": true}, map[string]bool{} // without a name it is Microsoft's server
	for _, app := range c.Gateway.Apps {
		apps[app.Name] = true
		hooks[app.Name] = strings.HasPrefix(app.Webhook.URL, "https:")
		for _, k := range app.APIKeys {
			a.keyCreated(k.Created, useAPIKey, app.Name, k.ID)
		}
		known := &providers.Certificates{}
		for _, k := range app.Entra.Keys {
			if cert := k.Certificate(); cert != nil {
				known.Expires(k.Name(), cert.NotAfter)
			}
		}
		a.certificates.Add(partEntra, app.Name, known)
	}
	a.certificates.Keep(partEntra, func(name string) bool { return apps[name] })
	a.certificates.Keep(partWebhook, func(name string) bool { return hooks[name] })
}

func (a *ages) keyCreated(day string, labels ...string) {
	if at, err := gateway.ParseDay(day); err == nil { // else nobody knows
		a.created.WithLabelValues(labels...).Set(float64(at.Unix()))
	}
}

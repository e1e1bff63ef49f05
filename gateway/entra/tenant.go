package entra

import (
	"crypto/rsa"
	"fmt"
	"strings"

	"denwa/gateway"
)

// tenant is an app with what its requests are checked against.
type tenant struct {
	app      *gateway.AppPolicy
	id       string // in lower case
	issuers  []string
	audience string
	caller   string
	signers  *signers
	keys     map[string]*rsa.PrivateKey
}

// tenant returns the app called name as it is configured now, or nil if it
// doesn't speak the dialect. Keys are read once for each configuration: that
// takes longer than all the rest of a request.
func (h *Handler) tenant(name string) (*tenant, error) {
	app := h.o.Policy().App(name)
	if app == nil || !app.Entra.Enabled() {
		return nil, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tenants[name]; t != nil && t.app == app {
		return t, nil
	}
	t := &tenant{
		app: app, id: strings.ToLower(app.Entra.TenantID), issuers: app.Entra.Issuers(), audience: app.Entra.Audience,
		caller: app.Entra.Caller(), keys: map[string]*rsa.PrivateKey{},
	}
	for i, k := range app.Entra.Keys {
		key, err := k.RSA()
		if err != nil { // Validate has seen it
			return nil, fmt.Errorf("read key %d of app %q: %w", i, name, err)
		}
		t.keys[k.Name()] = key
	}
	t.signers = h.signersAt(app.Entra.KeysURL(), t.id)
	h.metrics.expect(app)
	h.tenants[name] = t
	return t, nil
}

// signersAt are the keys at url, shared by all apps of a tenant, and kept when
// the configuration changes. h.mu is held.
func (h *Handler) signersAt(url, tenantID string) *signers {
	at := tenantID + " " + url
	s := h.signers[at]
	if s == nil {
		s = &signers{url: url, tenant: tenantID, client: h.client, now: h.o.Now, log: h.o.Log, metrics: h.metrics, certificates: h.o.Certificates}
		h.signers[at] = s
	}
	return s
}

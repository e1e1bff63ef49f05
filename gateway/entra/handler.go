// Package entra is the endpoint that Entra ID has its codes delivered by:
// POST /entra/{app}/api/SendOtp. Microsoft calls it External Phone Provider, or
// Choose Your Own Telephony Provider.
//
// A request passes the token check, then the envelope, which anybody may read,
// then the delivery context, which only our key opens. A live one is dispatched
// once, however often it comes; the reply echoes its nonce, as the proof that we
// could read it. Anything else but 2xx with that nonce makes Entra ID fall back
// to its own delivery, as long as that exists.
//
// The contract is docs/CONTRACT.md of
// https://github.com/Azure-Samples/ExternalPhoneProvider-AzureFunction-Sample,
// Microsoft's sample. What it leaves out and this does: numbers are checked, keys
// may overlap, a request's ttlSeconds is kept to, a repeat sends nothing, and
// providers take over from each other inside the caller's time.
package entra

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/providers"
)

const (
	// budget is how long a request may take. Its caller waits about 3.2 s in all.
	budget = 3 * time.Second
	// within bounds the time for all providers, eachWithin that for one: the cap
	// and the default of the contract's EPP_PROVIDER_TIMEOUT_MS.
	within     = 2500 * time.Millisecond
	eachWithin = 1500 * time.Millisecond
	// maxBody bounds a request: the largest encrypted part, and room around it.
	maxBody = maxJWE + 4096
)

// Deliverer brings texts to phones. [gateway.Service] is one.
type Deliverer interface {
	// Dispatch fails with a [*gateway.Error]; any other error is internal.
	Dispatch(ctx context.Context, app *gateway.AppPolicy, r gateway.DispatchRequest) (*gateway.Dispatch, error)
	// Lookup says what a number may get, without sending anything.
	Lookup(ctx context.Context, app *gateway.AppPolicy, number, country string) (gateway.Lookup, error)
}

// Repeats answers the same request once. [gateway.Idempotency] is one.
type Repeats interface {
	Once(ctx context.Context, app, key string, do func(ctx context.Context, seed []byte) (r *gateway.Reply, keep bool)) (*gateway.Reply, error)
}

// Options are what a [Handler] is made of. All but Certificates and Now are required.
type Options struct {
	// Policy is what holds now.
	Policy     func() *gateway.Policy
	Deliverer  Deliverer
	Repeats    Repeats
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Certificates are told of those that Microsoft's servers show.
	Certificates *providers.Certificates
	// Now is the time; nil is [time.Now].
	Now func() time.Time
}

// Handler serves the endpoint for every app that has an entra section. Mount it
// at "/entra/"; it sees the whole path.
type Handler struct {
	o       Options
	metrics *metrics
	client  *http.Client
	mux     *http.ServeMux

	mu      sync.Mutex
	tenants map[string]*tenant  // by app
	signers map[string]*signers // by tenant and address
}

// New returns a handler.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Certificates == nil {
		o.Certificates = &providers.Certificates{}
	}
	h := &Handler{
		o: o, metrics: newMetrics(o.Registerer), mux: http.NewServeMux(),
		tenants: map[string]*tenant{}, signers: map[string]*signers{},
		client: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: fetchTimeout,
				DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
			},
			// Keys come from the address that is configured, or not at all.
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("it redirects") },
		},
	}
	o.Registerer.MustRegister(signersFetched{h})
	for _, app := range o.Policy().Apps {
		if app.Entra.Enabled() {
			h.metrics.expect(o.Policy().App(app.Name))
		}
	}
	h.mux.HandleFunc("/entra/{app}/api/SendOtp", h.sendOTP)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusNotFound, failure{Error: "not_found", RequestID: requestID(w)})
	})
	return h
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Warm fetches the keys that sign the tokens of every app, so that the first
// sign-in needn't wait for them. It returns when they are there, or can't be had,
// or ctx ends.
func (h *Handler) Warm(ctx context.Context) {
	for _, app := range h.o.Policy().Apps {
		t, err := h.tenant(app.Name)
		if err != nil || t == nil {
			continue
		}
		_, _ = t.signers.key(ctx, "") // no key is called that; what counts is the fetch
	}
}

// call is one request on its way through, and what was learnt of it.
type call struct {
	tenant   *tenant
	received time.Time
	// requestID is ours, attemptID the caller's, for this try; signInID is what
	// its header calls the sign-in.
	requestID, attemptID, signInID string
	// correlationID is the sign-in's, or for want of one ours; empty until the
	// envelope is known to be good.
	correlationID string
	channel       gateway.Channel
	nonce         string
	// reason is that of a bad request, why a word for the log alone.
	reason, why string
	// dispatch is the id of what was sent.
	dispatch gateway.ID
}

func (h *Handler) sendOTP(w http.ResponseWriter, r *http.Request) {
	c := &call{
		received: h.o.Now(), requestID: requestID(w),
		attemptID: r.Header.Get("X-Ms-Client-Request-Id"), signInID: r.Header.Get("X-Ms-Correlation-Id"),
	}
	var err error
	c.tenant, err = h.tenant(r.PathValue("app"))
	switch {
	case err != nil:
		h.o.Log.ErrorContext(r.Context(), "entra request not served", "error", err)
		write(w, http.StatusInternalServerError, failure{Error: "delivery_failed", RequestID: c.requestID})
		return
	case c.tenant == nil:
		write(w, http.StatusNotFound, failure{Error: "not_found", RequestID: c.requestID})
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		write(w, http.StatusMethodNotAllowed, failure{Error: "method_not_allowed", RequestID: c.requestID})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget)
	defer cancel()
	o := h.serve(ctx, w, r, c)
	h.metrics.requests.WithLabelValues(c.tenant.app.Name, string(o)).Inc()
	h.record(ctx, c, o)

	status, name := o.reply()
	if status == http.StatusOK {
		write(w, status, success{Nonce: c.nonce, CorrelationID: c.correlationID, Status: "accepted"})
		return
	}
	switch status {
	case http.StatusUnauthorized:
		if o == unauthorized { // not where a provider refuses our credentials
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	write(w, status, failure{Error: name, Reason: c.reason, CorrelationID: c.correlationID, RequestID: c.requestID})
}

// serve takes a request as far as it gets. Nothing of its body is read before
// its caller is known.
func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, c *call) outcome {
	if refused := c.tenant.authenticate(ctx, r.Header, c.received); refused != nil {
		c.why = refused.why
		return refused.outcome
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		c.reason, c.why = reasonJSON, "other content type"
		return badRequest
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		c.reason, c.why = reasonJSON, "too large or cut off"
		return badRequest
	}
	e, reason := parseEnvelope(body)
	if reason != "" {
		c.reason = reason
		if reason == reasonExpired {
			return expired
		}
		return badRequest
	}
	c.channel, c.correlationID = e.channel, cmp.Or(e.correlationID, c.signInID, c.requestID)
	d, o := h.open(e, c)
	if o != "" {
		return o
	}
	if e.evaluation {
		return h.evaluate(ctx, c, e, d)
	}
	return h.deliver(ctx, c, e, d)
}

// open decrypts the delivery context. The outcome is empty if it is complete.
func (h *Handler) open(e envelope, c *call) (delivery, outcome) {
	plain, kid, err := decrypt(e.encrypted, c.tenant.keys)
	var unknown *unknownKeyError
	if errors.As(err, &unknown) {
		c.why = "unknown key"
		if safe := publicID(unknown.kid); safe != "" {
			c.why += " " + safe
		}
		return delivery{}, undecryptable
	}
	if err != nil {
		return delivery{}, undecryptable
	}
	h.metrics.decryptions.WithLabelValues(c.tenant.app.Name, kid).Inc()
	d, ok, complete := parseDelivery(plain)
	switch {
	case !ok:
		return d, undecryptable
	case !complete:
		c.reason = reasonIncomplete
		return d, badRequest
	}
	c.nonce = d.nonce
	return d, ""
}

// success is the reply to a request that was taken.
type success struct {
	Nonce         string `json:"nonce"`
	CorrelationID string `json:"correlationId"`
	Status        string `json:"providerStatus"`
}

// failure is any other reply.
type failure struct {
	Error         string `json:"error"`
	Reason        string `json:"reason,omitempty"`
	CorrelationID string `json:"correlationId,omitempty"`
	RequestID     string `json:"requestId,omitempty"`
}

func write(w http.ResponseWriter, status int, body any) {
	text, _ := json.Marshal(body) // structs of strings.
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a caller that is gone, mostly.
}

// requestID is what the listener called this request.
func requestID(w http.ResponseWriter) string { return w.Header().Get("X-Request-Id") }

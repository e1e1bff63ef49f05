// Package hooks lets login services that make their codes themselves have them
// delivered: each calls POST /hooks/{app}/{type} in the way it calls any SMS
// gateway, and is answered in the way it understands.
//
// A request passes verify (is it the service?), decode (what is to be sent to
// whom?), deliver (one message, however often it is asked for) and answer. What
// differs between services is one row of [services] and one file.
package hooks

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
)

// maxBody bounds a body, in bytes. Supabase, the most talkative, sends the whole
// user.
const maxBody = 64 << 10

// Service delivers what login services want delivered; [gateway.Service] is one.
type Service interface {
	// Dispatch brings a text to a phone, at most once for one seed. It fails
	// with a [*gateway.Error] where the caller should see why.
	Dispatch(ctx context.Context, app *gateway.AppPolicy, r gateway.DispatchRequest) (*gateway.Dispatch, error)
	// Policy is what holds now. It doesn't block.
	Policy() *gateway.Policy
}

// Idempotency answers repeats of a request; [gateway.Idempotency] does.
type Idempotency interface {
	OnceIn(ctx context.Context, app, key string, life time.Duration,
		do func(ctx context.Context, seed []byte) (r *gateway.Reply, keep bool)) (*gateway.Reply, error)
}

// Options are what a [Handler] is made of. All are required.
type Options struct {
	Service     Service
	Idempotency Idempotency
	Registerer  prometheus.Registerer
	Log         *slog.Logger
}

// Handler serves /hooks/{app}/{type}.
type Handler struct {
	service  Service
	once     Idempotency
	metrics  *metrics
	log      *slog.Logger
	services map[gateway.HookType]service
	now      func() time.Time
}

// New returns a handler, and registers its metrics.
func New(o Options) *Handler {
	h := &Handler{
		service: o.Service, once: o.Idempotency, metrics: newMetrics(o.Registerer), log: o.Log,
		services: map[gateway.HookType]service{}, now: time.Now,
	}
	for _, s := range services() {
		h.services[s.kind] = s
	}
	h.metrics.expect(o.Service.Policy())
	return h
}

// request is a request whose body was read.
type request struct {
	header http.Header
	body   []byte
	at     time.Time // when it came
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	policy := h.service.Policy()
	h.metrics.expect(policy)
	app, hooks := find(policy, r.URL.Path)
	if len(hooks) == 0 { // an app without this hook, and no such app, answer alike
		write(w, answerJSON(failed("", http.StatusNotFound, gateway.CodeNotFound, "there is no such hook; see apps[].hooks")))
		return
	}
	s := h.services[hooks[0].Type]
	lang := languageOf(policy, app, "")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.finish(r.Context(), w, app, s, failed(lang, http.StatusMethodNotAllowed, gateway.CodeInvalidRequest, "this path takes POST only"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.finish(r.Context(), w, app, s, unread(lang, err))
		return
	}
	req := &request{header: r.Header, body: body, at: h.now()}
	hook, err := authenticate(s, hooks, req)
	if err != nil {
		h.finish(r.Context(), w, app, s, failed(lang, http.StatusUnauthorized, gateway.CodeUnauthorized, err.Error()))
		return
	}
	h.deliver(r.Context(), w, policy, app, s, hook, req)
}

// find returns the app that a path names, and its hooks of the type that it
// names: the ones that may have made the request.
func find(p *gateway.Policy, path string) (app *gateway.AppPolicy, hooks []gateway.Hook) {
	name, kind, _ := strings.Cut(strings.TrimPrefix(path, "/hooks/"), "/")
	if app = p.App(name); app == nil {
		return nil, nil
	}
	for _, hook := range app.Hooks {
		if string(hook.Type) == kind {
			hooks = append(hooks, hook)
		}
	}
	return app, hooks
}

// authenticate returns which of hooks a request is by, or why it is by none.
func authenticate(s service, hooks []gateway.Hook, r *request) (hook gateway.Hook, err error) {
	for _, hook = range hooks {
		if err = s.verify(hook, r); err == nil {
			return hook, nil
		}
	}
	return hook, err
}

// unread is the result for a body that couldn't be read.
func unread(lang string, err error) *result {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return failed(lang, http.StatusRequestEntityTooLarge, gateway.CodePayloadTooLarge,
			"the body is larger than the gateway reads ("+strconv.FormatInt(big.Limit, 10)+" bytes); see server.max_body")
	}
	return failed(lang, http.StatusBadRequest, gateway.CodeInvalidRequest, "the body ended early")
}

// media is the type of a body, without parameters.
func (r *request) media() string {
	media, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// finish answers, counts and logs one request.
func (h *Handler) finish(ctx context.Context, w http.ResponseWriter, app *gateway.AppPolicy, s service, res *result) {
	h.record(ctx, app, s, res)
	write(w, s.answer(res))
}

// record counts and logs one request. Neither says anything of its body.
func (h *Handler) record(ctx context.Context, app *gateway.AppPolicy, s service, res *result) {
	h.metrics.count(app.Name, s.kind, res.outcome)
	attrs := []any{"app", app.Name, "type", string(s.kind), "outcome", string(res.outcome)}
	if res.outcome == sent {
		attrs = append(attrs, "delivery", string(res.id))
	}
	if res.outcome == sent || res.outcome == repeated {
		h.log.InfoContext(ctx, "hook answered", attrs...)
		return
	}
	attrs = append(attrs, "code", string(res.code), "reason", res.message)
	if res.cause != nil {
		attrs = append(attrs, "error", res.cause.Error())
	}
	level := slog.LevelWarn
	if res.code == codeInternal {
		level = slog.LevelError
	}
	h.log.Log(ctx, level, "hook refused", attrs...)
}

// reply is an HTTP reply. retryAfter is when it makes sense to try again, in
// whole seconds; 0 for never or unknown.
type reply struct {
	gateway.Reply
	retryAfter int
}

func write(w http.ResponseWriter, r reply) {
	h := w.Header()
	h.Set("Content-Type", r.ContentType)
	h.Set("Cache-Control", "no-store")
	if r.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // a client that is gone, mostly.
}

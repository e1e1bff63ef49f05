package entra

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/language"

	"denwa/gateway"
)

// deliver has a live request dispatched, unless it was before. It was if it is
// the same attempt with the same words to the same phone, or the very same
// ciphertext under another attempt's name, which is a replay: every encryption
// of even the same request differs. The nonce doesn't say, because nothing
// promises that a caller uses it once.
func (h *Handler) deliver(ctx context.Context, c *call, e envelope, d delivery) outcome {
	var keys []string
	if c.attemptID != "" {
		keys = append(keys, key("attempt", c.attemptID, string(e.channel), d.number, d.extension, d.words(e.channel)))
	}
	keys = append(keys, key("ciphertext", e.encrypted))
	worked := false
	o := h.once(ctx, c.tenant.app.Name, keys, nil, func(ctx context.Context, seed []byte) outcome {
		worked = true
		return h.dispatch(ctx, c, e, d, seed)
	})
	if o == accepted && !worked {
		return repeated
	}
	if o == expired {
		c.reason = reasonExpired
	}
	return o
}

// key names a request among those of an app. It is hashed because it is long;
// [gateway.Idempotency] keeps it under a key of its own.
func key(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "entra\x00" + kind + "\x00" + string(sum[:])
}

// once runs do unless a request of any of keys was worked on before, or is now.
// With seed nil, the seed is that of the first key: if an instance dies over an
// attempt, the next try is the same attempt in another ciphertext.
func (h *Handler) once(ctx context.Context, app string, keys []string, seed []byte, do func(context.Context, []byte) outcome) outcome {
	if len(keys) == 0 {
		return do(ctx, seed)
	}
	reply, err := h.o.Repeats.Once(ctx, app, keys[0], func(ctx context.Context, fresh []byte) (*gateway.Reply, bool) {
		if seed == nil {
			seed = fresh
		}
		o := h.once(ctx, app, keys[1:], seed, do)
		return &gateway.Reply{Status: http.StatusOK, Body: []byte(o)}, o.final()
	})
	if err != nil {
		return dispatched(nil, err)
	}
	// Only what became of it is kept: each caller gets its own nonce back.
	return outcome(reply.Body)
}

// dispatch sends d, in what is left of its time.
func (h *Handler) dispatch(ctx context.Context, c *call, e envelope, d delivery, seed []byte) outcome {
	now := h.o.Now()
	left := c.received.Add(budget).Sub(now)
	if left <= 0 {
		return late
	}
	r := gateway.DispatchRequest{
		To: d.number, Extension: d.extension, Channel: e.channel, Message: d.words(e.channel), Locale: locale(d.locale),
		Within: min(within, left), EachWithin: eachWithin, Seed: seed,
	}
	if id := publicID(c.correlationID); id != "" {
		r.Reference = id
	}
	if e.ttl > 0 {
		valid := c.received.Add(e.ttl).Sub(now)
		if valid <= 0 {
			return expired
		}
		r.Within = min(r.Within, valid)
		r.ValidFor = max(time.Second, min(valid, gateway.MaxValidFor))
	}
	sent, err := h.o.Deliverer.Dispatch(ctx, c.tenant.app, r)
	if err == nil {
		c.dispatch = sent.ID
	}
	o := dispatched(sent, err)
	if o == internal {
		h.o.Log.ErrorContext(ctx, "entra delivery failed", "error", err)
	}
	return o
}

// locale is the language of a message, or "" if it isn't one: not worth failing
// a sign-in for.
func locale(asked string) string {
	if _, err := language.Parse(asked); err != nil || len(asked) > 35 {
		return ""
	}
	return asked
}

// evaluate answers a rehearsal. It sends and remembers nothing, but says in the
// log and the metrics what would have been refused.
func (h *Handler) evaluate(ctx context.Context, c *call, e envelope, d delivery) outcome {
	l, err := h.o.Deliverer.Lookup(ctx, c.tenant.app, d.number, "")
	switch {
	case err != nil:
		c.why = "the number can't be read"
	case !l.Channels[e.channel].Allowed:
		c.why = l.Channels[e.channel].Reason
	default:
		return evaluated
	}
	return evaluatedRefused
}

// record writes what an operator needs to follow a request from Entra ID's
// sign-in log to Denwa's deliveries. It holds nothing of what was encrypted, no
// token, and of the caller's own words only what has the form of an id.
func (h *Handler) record(ctx context.Context, c *call, o outcome) {
	level := slog.LevelInfo
	switch status, _ := o.reply(); {
	case o == evaluatedRefused, status >= http.StatusBadRequest && o != unauthorized:
		level = slog.LevelWarn
	}
	if !h.o.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("app", c.tenant.app.Name), slog.String("outcome", string(o)),
		slog.Float64("seconds", h.o.Now().Sub(c.received).Seconds()),
	}
	for _, a := range []slog.Attr{
		slog.String("channel", string(c.channel)), slog.String("correlation_id", publicID(cmp.Or(c.correlationID, c.signInID))),
		slog.String("client_request_id", publicID(c.attemptID)), slog.String("delivery", string(c.dispatch)),
		slog.String("reason", c.reason), slog.String("why", c.why),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	h.o.Log.LogAttrs(ctx, level, "entra request", attrs...)
}

// idForm is that of GUIDs and thumbprints: too long for a phone number or a code.
var idForm = regexp.MustCompile(`^[0-9A-Za-z_-]{20,64}$`)

// publicID is id if it can be nothing else, or "".
func publicID(id string) string {
	if !idForm.MatchString(id) {
		return ""
	}
	return id
}

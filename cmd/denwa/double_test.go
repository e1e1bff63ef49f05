package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// rightCode is the code that every verification of a double has.
const rightCode = "012345"

// double stands in for a gateway that has one phone: it keeps the API's
// contract as far as verify uses it, and lets a test decide what goes wrong.
type double struct {
	// Refuse answers a route's requests, such as "check", in order, instead of
	// the gateway, while there are any.
	Refuse map[string][]refusal
	// Mode and Channel are what a start leads to, code and sms if empty.
	Mode, Channel string

	mu       sync.Mutex
	v        map[string]any
	status   string
	attempts int
	delivery []map[string]any
	sends    int
	next     time.Time
	changed  chan struct{}
	replies  map[string]recorded // by Idempotency-Key
	Asked    []string            // the routes asked, in order
	Keys     []string            // the Idempotency-Keys seen, in order
	Started  map[string]any      // the body of the latest start
}

// refusal is a problem. Without a status, the connection breaks instead:
// before the request was read, or after it was done.
type refusal struct {
	Status     int
	Code       string
	Detail     string
	RetryAfter int
	Carries    bool // the verification that was created
	AfterDoing bool
}

type recorded struct {
	status int
	body   []byte
}

func newDouble() *double {
	return &double{Refuse: map[string][]refusal{}, changed: make(chan struct{}), replies: map[string]recorded{}}
}

// RoundTrip makes a double a transport, so that a test in a synctest bubble
// needs no network.
func (d *double) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = io.ErrUnexpectedEOF
		}
	}()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	return w.Result(), nil
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/verifications", d.post("start", d.start))
	mux.HandleFunc("POST /v1/verifications/vf_1/check", d.post("check", d.check))
	mux.HandleFunc("POST /v1/verifications/vf_1/resend", d.post("resend", d.resend))
	mux.HandleFunc("POST /v1/verifications/vf_1/cancel", d.post("cancel", d.cancel))
	mux.HandleFunc("GET /v1/verifications/vf_1", d.get)
	mux.ServeHTTP(w, r)
}

// Happen changes the verification: its status, or that of its latest delivery.
func (d *double) Happen(status, delivery string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if status != "" {
		d.status = status
	}
	if delivery != "" {
		d.delivery[len(d.delivery)-1]["status"] = delivery
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *double) asked(route string) (r refusal, refuses bool) {
	d.Asked = append(d.Asked, route)
	if len(d.Refuse[route]) == 0 {
		return r, false
	}
	r = d.Refuse[route][0]
	d.Refuse[route] = d.Refuse[route][1:]
	return r, true
}

func (d *double) post(route string, do func(map[string]any) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.Header.Get("Authorization") == "Bearer wrong" {
			d.problem(w, refusal{Status: 401, Code: "unauthorized", Detail: "the API key is unknown"})
			return
		}
		refuse, refuses := d.asked(route)
		key := r.Header.Get("Idempotency-Key")
		d.Keys = append(d.Keys, key)
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			panic(err)
		}
		if refuses && !refuse.AfterDoing && !refuse.Carries {
			d.problem(w, refuse)
			return
		}
		reply, done := d.replies[key]
		if !done {
			status, out := do(body)
			reply = recorded{status, mustJSON(out)}
			d.replies[key] = reply
		}
		switch {
		case refuses:
			d.problem(w, refuse)
		case reply.status >= 400:
			w.Header().Set("Content-Type", "application/problem+json")
		default:
			w.Header().Set("Content-Type", "application/json")
		}
		if !refuses {
			w.WriteHeader(reply.status)
			_, _ = w.Write(reply.body)
		}
	}
}

func (d *double) problem(w http.ResponseWriter, r refusal) {
	if r.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	body := map[string]any{"status": r.Status, "code": r.Code, "detail": r.Detail, "request_id": "R1"}
	if r.RetryAfter > 0 {
		body["retry_after"] = r.RetryAfter
		w.Header().Set("Retry-After", strconv.Itoa(r.RetryAfter))
	}
	if r.Carries {
		body["verification"] = d.shown()
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(r.Status)
	_, _ = w.Write(mustJSON(body))
}

func (d *double) start(body map[string]any) (int, any) {
	d.Started = body
	channel, mode := "sms", "code"
	if d.Channel != "" {
		channel, mode = d.Channel, d.Mode
	}
	now := time.Now()
	d.status, d.attempts, d.sends, d.delivery = "pending", 3, 0, nil
	d.v = map[string]any{
		"id": "vf_1", "channel": channel, "mode": mode,
		"to": "+819012345678", "to_masked": "+81 90-****-5678", "country": "JP",
		"created_at": now.UTC(), "expires_at": now.Add(10 * time.Minute).UTC(),
	}
	d.send(now)
	reply := d.shown()
	if mode == "keyed" {
		reply["display_code"] = "482913"
	}
	return http.StatusCreated, reply
}

func (d *double) send(now time.Time) {
	d.sends++
	d.next = now.Add(30 * time.Second)
	d.delivery = append(d.delivery, map[string]any{"provider": "sandbox", "channel": d.v["channel"], "status": "accepted"})
}

func (d *double) check(body map[string]any) (int, any) {
	if d.status != "pending" {
		return d.notPending()
	}
	if len(body["code"].(string)) != len(rightCode) {
		return http.StatusBadRequest, map[string]any{"code": "invalid_request", "field": "code", "detail": "the code has 6 digits"}
	}
	d.attempts--
	valid := body["code"] == rightCode
	switch {
	case valid:
		d.status = "approved"
	case d.attempts == 0:
		d.status = "failed"
	}
	return http.StatusOK, map[string]any{"valid": valid, "verification": d.shown()}
}

func (d *double) resend(map[string]any) (int, any) {
	now := time.Now()
	if now.Before(d.next) {
		return http.StatusTooManyRequests, map[string]any{
			"code": "rate_limited", "detail": "the limit number_cooldown refuses this for now", "retry_after": 1,
		}
	}
	d.send(now)
	return http.StatusOK, d.shown()
}

func (d *double) cancel(map[string]any) (int, any) {
	if d.status != "pending" {
		return d.notPending()
	}
	d.status = "canceled"
	return http.StatusOK, d.shown()
}

func (d *double) notPending() (int, any) {
	return http.StatusConflict, map[string]any{"code": "not_pending", "detail": "the verification is " + d.status}
}

func (d *double) get(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if refuse, refuses := d.asked("get"); refuses {
		d.problem(w, refuse)
		return
	}
	known := r.Header.Get("If-None-Match")
	if seconds, _ := strconv.Atoi(r.URL.Query().Get("wait")); seconds > 0 && d.status == "pending" && (known == "" || known == d.tag()) {
		changed := d.changed
		d.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(time.Duration(seconds) * time.Second):
		case <-r.Context().Done():
		}
		d.mu.Lock()
	}
	w.Header().Set("ETag", d.tag())
	if known == d.tag() {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(mustJSON(d.shown()))
}

// tag names what is shown now.
func (d *double) tag() string {
	return fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(mustJSON(d.shown()))))
}

// shown is the verification as the API shows it.
func (d *double) shown() map[string]any {
	v := map[string]any{"status": d.status, "attempts_remaining": d.attempts, "deliveries": d.delivery}
	for name, value := range d.v {
		v[name] = value
	}
	if d.status == "pending" && d.sends < 3 {
		v["next_send_at"] = map[string]time.Time{fmt.Sprint(d.v["channel"]): d.next.UTC()}
	}
	return v
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
)

// maxBody bounds a request's body; a behaviour is less than 100 bytes.
const maxBody = 4 << 10

var e164Form = regexp.MustCompile(`^[1-9][0-9]{6,14}$`)

// Handler serves the phones as JSON, under the whole path:
//
//	GET    /sandbox/api/phones/{e164}/messages    [{"id","delivery","text","at","status"}], oldest first
//	GET    /sandbox/api/phones/{e164}/behaviour   what happens next
//	POST   /sandbox/api/phones/{e164}/behaviour   sets it, see [Behaviour]; 204
//	DELETE /sandbox/api/phones/{e164}             makes the phone as new; 204
//
// The number is in E.164, with or without "+". A message's status is the last
// that was reported and taken; a message that doesn't arrive is listed as well,
// so that its code can be read. A behaviour replaces the one before; what it
// leaves out is as usual, so {} takes everything back.
//
// Errors are application/problem+json. Anyone may call it, so it takes JSON
// only as application/json, which no page of another origin can send unasked.
// The path holds a number: don't log it.
func (p *Phones) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, methods map[string]func(w http.ResponseWriter, r *http.Request, number string)) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if do, ok := methods[method]; ok {
				allowed = append(allowed, method)
				mux.HandleFunc(method+" "+path, withNumber(do))
			}
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, http.StatusMethodNotAllowed, "invalid_request", "", "this path takes "+strings.Join(allowed, " and ")+" only")
		})
	}
	type methods = map[string]func(http.ResponseWriter, *http.Request, string)
	handle("/sandbox/api/phones/{e164}", methods{http.MethodDelete: p.deletePhone})
	handle("/sandbox/api/phones/{e164}/messages", methods{http.MethodGet: p.getMessages})
	handle("/sandbox/api/phones/{e164}/behaviour", methods{http.MethodGet: p.getBehaviour, http.MethodPost: p.postBehaviour})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, "not_found", "", "no such path")
	})
	return mux
}

// withNumber reads the number in the path.
func withNumber(do func(w http.ResponseWriter, r *http.Request, number string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		digits := strings.TrimPrefix(r.PathValue("e164"), "+")
		if !e164Form.MatchString(digits) {
			writeProblem(w, http.StatusUnprocessableEntity, "invalid_number", "",
				"the number in the path must be in E.164: a country code and the number, 7 to 15 digits")
			return
		}
		do(w, r, "+"+digits)
	}
}

func (p *Phones) getMessages(w http.ResponseWriter, _ *http.Request, number string) {
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", p.messages(number))
}

func (p *Phones) getBehaviour(w http.ResponseWriter, _ *http.Request, number string) {
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", p.behaviour(number))
}

func (p *Phones) postBehaviour(w http.ResponseWriter, r *http.Request, number string) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeProblem(w, http.StatusUnsupportedMediaType, "invalid_request", "", "the body must be application/json")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		writeProblem(w, http.StatusRequestEntityTooLarge, "payload_too_large", "", "the body is too large")
		return
	} else if err != nil {
		return // the client is gone
	}
	b, bad := parseBehaviour(body)
	if bad != nil {
		writeProblem(w, http.StatusBadRequest, "invalid_request", bad.field, bad.detail)
		return
	}
	p.behave(number, b)
	w.WriteHeader(http.StatusNoContent)
}

func (p *Phones) deletePhone(w http.ResponseWriter, _ *http.Request, number string) {
	p.forget(number)
	w.WriteHeader(http.StatusNoContent)
}

// problem is an RFC 9457 problem, as the native API has them.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
}

func writeProblem(w http.ResponseWriter, status int, code, field, detail string) {
	writeJSON(w, status, "application/problem+json; charset=utf-8", problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Field: field,
	})
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // strings, numbers and times always marshal
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store") // it holds codes
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may be gone
}

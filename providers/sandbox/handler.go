package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// maxBody bounds a request's body; a behaviour is less than 100 bytes.
const maxBody = 4 << 10

var e164Form = regexp.MustCompile(`^[1-9][0-9]{6,14}$`)

// Handler serves the phones on a page, /sandbox/, and as JSON, under the whole
// path:
//
//	GET    /sandbox/api/carriers                  {"carriers":["a"],"others":false}: the carriers to these phones, and are there others?
//	GET    /sandbox/api/phones/{e164}/messages    [{"id","delivery","text","at","status"}], oldest first
//	GET    /sandbox/api/phones/{e164}/calls       [{"id","delivery","extension","status","said","listening","at"}], oldest first
//	GET    /sandbox/api/phones/{e164}/behaviour   what happens next
//	POST   /sandbox/api/phones/{e164}/behaviour   sets it, see [Behaviour]; 204
//	DELETE /sandbox/api/phones/{e164}             makes the phone as new, and ends its calls; 204
//	POST   /sandbox/api/calls/{id}/answer         204
//	POST   /sandbox/api/calls/{id}/press          {"digits":"0#"}, one after the other; 204
//	POST   /sandbox/api/calls/{id}/hangup         204; while it rings, the call is declined
//	GET    /sandbox/api/events?phone={e164}       what happens, as server-sent events, of the phones that are named
//
// The number is in E.164, with or without "+". A message's status is the last
// that was reported and taken; a message that doesn't arrive is listed as well,
// so that its code can be read. A behaviour replaces the one before; what it
// leaves out is as usual, so {} takes everything back.
//
// A call's status is how it stands now. "said" are the prompts so far; while it
// is "listening", keys count. After a POST that succeeded, both are up to date,
// and what was pressed is judged. What a call can't do now is a 409 with the
// code call_ended, not_ringing (to be answered), not_listening (for keys) or
// decided (by the behaviour, not by a person).
//
// Errors are application/problem+json. Anyone may call it, so it takes a POST
// only as application/json, which no page of another origin can send unasked.
// The path holds a number: don't log it.
func (p *Phones) Handler() http.Handler {
	mux := http.NewServeMux()
	type methods = map[string]http.HandlerFunc
	handle := func(path string, do methods) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if serve, ok := do[method]; ok {
				allowed = append(allowed, method)
				mux.HandleFunc(method+" "+path, serve)
			}
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, http.StatusMethodNotAllowed, "invalid_request", "", "this path takes "+strings.Join(allowed, " and ")+" only")
		})
	}
	handle("/sandbox/api/carriers", methods{http.MethodGet: p.getCarriers})
	handle("/sandbox/api/phones/{e164}", methods{http.MethodDelete: withNumber(p.deletePhone)})
	handle("/sandbox/api/phones/{e164}/messages", methods{http.MethodGet: withNumber(p.getMessages)})
	handle("/sandbox/api/phones/{e164}/calls", methods{http.MethodGet: withNumber(p.getCalls)})
	handle("/sandbox/api/phones/{e164}/behaviour", methods{
		http.MethodGet: withNumber(p.getBehaviour), http.MethodPost: withNumber(p.postBehaviour),
	})
	handle("/sandbox/api/calls/{id}/answer", methods{http.MethodPost: p.postAct(answer, parseNothing)})
	handle("/sandbox/api/calls/{id}/press", methods{http.MethodPost: p.postAct(press, parsePress)})
	handle("/sandbox/api/calls/{id}/hangup", methods{http.MethodPost: p.postAct(hangUp, parseNothing)})
	handle("/sandbox/api/events", methods{http.MethodGet: p.getEvents})
	servePage(mux)
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

func (p *Phones) getCarriers(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	reply := struct {
		Carriers []string `json:"carriers"`
		Others   bool     `json:"others"`
	}{slices.Clone(p.carriers), p.others}
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", reply)
}

func (p *Phones) getMessages(w http.ResponseWriter, _ *http.Request, number string) {
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", p.messages(number))
}

func (p *Phones) getBehaviour(w http.ResponseWriter, _ *http.Request, number string) {
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", p.behaviour(number))
}

func (p *Phones) postBehaviour(w http.ResponseWriter, r *http.Request, number string) {
	b, ok := read(w, r, parseBehaviour)
	if !ok {
		return
	}
	p.behave(number, b)
	w.WriteHeader(http.StatusNoContent)
}

func (p *Phones) deletePhone(w http.ResponseWriter, _ *http.Request, number string) {
	p.forget(number)
	w.WriteHeader(http.StatusNoContent)
}

func (p *Phones) getCalls(w http.ResponseWriter, _ *http.Request, number string) {
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", p.calls(number))
}

// postAct has a person do something with the call in the path.
func (p *Phones) postAct(kind actKind, parse func(body []byte) (keys string, bad *badField)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		keys, ok := read(w, r, parse)
		if !ok {
			return
		}
		refused, found := p.do(r.Context(), r.PathValue("id"), act{kind: kind, keys: keys})
		switch {
		case !found:
			writeProblem(w, http.StatusNotFound, "not_found", "", "no such call")
		case refused != nil:
			writeProblem(w, http.StatusConflict, refused.code, "", refused.detail)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

// read reads and parses a JSON body, or says what is wrong with it.
func read[T any](w http.ResponseWriter, r *http.Request, parse func(body []byte) (T, *badField)) (value T, ok bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeProblem(w, http.StatusUnsupportedMediaType, "invalid_request", "", "the body must be application/json")
		return value, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		writeProblem(w, http.StatusRequestEntityTooLarge, "payload_too_large", "", "the body is too large")
		return value, false
	} else if err != nil {
		return value, false // the client is gone
	}
	value, bad := parse(body)
	if bad != nil {
		writeProblem(w, http.StatusBadRequest, "invalid_request", bad.field, bad.detail)
		return value, false
	}
	return value, true
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

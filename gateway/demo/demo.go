// Package demo is a small registration portal that uses Denwa as a real one
// would: it asks the native API for a hosted page, sends the browser there, and
// when the browser is back asks the API, not the browser, what became of it.
//
// The API key stays on the server. What the portal knows of a person travels in
// a sealed cookie, so it works on any instance and keeps nothing.
package demo

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"
)

const (
	// maxForm bounds what a browser posts.
	maxForm = 16 << 10
	// maxName bounds a name, in characters.
	maxName = 60
)

//go:embed page
var pageFiles embed.FS

var keyForm = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// Options are what a [Portal] is made of.
type Options struct {
	// API is the base URL at which the portal reaches Denwa, such as
	// "http://127.0.0.1:8080".
	API string
	// Key is the app's API key.
	Key string
	// PublicURL is where browsers reach Denwa, and so the portal. The app's
	// pages.return_urls must allow PublicURL + "/demo/return".
	PublicURL string
	Log       *slog.Logger
}

// Portal serves /demo/.
type Portal struct {
	o      Options
	api    *api
	states states
	mux    *http.ServeMux
	page   *template.Template
	public *url.URL
	policy string
}

// New returns a portal.
func New(o Options) (*Portal, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" {
		return nil, errors.New("the demo portal's public URL must be an absolute URL")
	}
	states, err := newStates(o.Key)
	if err != nil {
		return nil, err
	}
	p := &Portal{
		o: o, api: newAPI(o.API, o.Key), states: states, mux: http.NewServeMux(), public: public,
		page: template.Must(template.ParseFS(pageFiles, "page/demo.html")),
		// A browser also holds the redirect after the form against form-action.
		policy: "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' " + public.Scheme + "://" + public.Host +
			"; base-uri 'none'; frame-ancestors 'none'",
	}
	p.mux.HandleFunc("GET /demo/{$}", p.form)
	p.mux.HandleFunc("POST /demo/{$}", p.register)
	p.mux.HandleFunc("GET /demo/return", p.back)
	for name, kind := range map[string]string{"demo.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"} {
		data, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		p.mux.HandleFunc("GET /demo/"+name, serveFile(kind, data))
	}
	return p, nil
}

// ServeHTTP implements [http.Handler]. It sees the whole path.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The browser comes back to the public URL. A cookie of another name for
	// the same machine, such as localhost, would be missing there.
	if r.Method == http.MethodGet && r.Host != p.public.Host {
		http.Redirect(w, r, p.link(r.URL.RequestURI()), http.StatusFound) //nolint:gosec // G710: to the configured host.
		return
	}
	var protection http.CrossOriginProtection
	protection.Handler(p.mux).ServeHTTP(w, r)
}

// link is a path of this portal as browsers reach it.
func (p *Portal) link(path string) string {
	return p.public.Scheme + "://" + p.public.Host + "/" + strings.TrimLeft(path, "/")
}

// view is what the page shows.
type view struct {
	W    wording
	Step step
	// Key makes posting the form twice one registration.
	Key          string
	Name, Number string
	Channels     string // "sms", "voice" or "" for both
	NumberWrong  string
	Trouble      string
	// Masked is the number that was proved, and On the page that is still open.
	Masked, On string
}

// step is how far a registration is.
type step string

const (
	stepForm step = "form"
	stepDone step = "done"
	stepOpen step = "open" // not proved yet, but may be
	stepOver step = "over" // not proved
)

// form shows the form.
func (p *Portal) form(w http.ResponseWriter, r *http.Request) {
	words := p.words(w, r)
	p.show(w, r, http.StatusOK, view{W: words, Step: stepForm, Key: rand.Text()})
}

// register asks for a hosted page and sends the browser there.
func (p *Portal) register(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	v := view{
		W: p.words(w, r), Step: stepForm, Key: r.PostFormValue("key"), Channels: r.PostFormValue("channels"),
		Name: strings.TrimSpace(r.PostFormValue("name")), Number: strings.TrimSpace(r.PostFormValue("number")),
	}
	ask := sessionRequest{To: v.Number, ReturnURL: p.link("/demo/return")}
	if v.Channels != "" {
		ask.Channels = []string{v.Channels}
	}
	if !keyForm.MatchString(v.Key) || utf8.RuneCountInString(v.Name) > maxName {
		v.Key, v.Trouble = rand.Text(), v.W.Stale
		p.show(w, r, http.StatusBadRequest, v)
		return
	}
	s, err := p.api.start(r.Context(), v.Key, ask)
	if err == nil {
		p.states.set(w, p.public.Scheme == "https", state{Session: s.ID, URL: s.URL, Name: v.Name, Until: time.Now().Add(stateLife).Unix()})
		http.Redirect(w, r, s.URL, http.StatusSeeOther)
		return
	}
	v.Key = rand.Text() // the next try is another request
	status := http.StatusBadGateway
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.aboutNumber():
		v.NumberWrong, status = v.W.NumberWrong, http.StatusUnprocessableEntity
	case errors.As(err, &refused) && refused.Code == "rate_limited":
		v.Trouble, status = v.W.Limited, http.StatusTooManyRequests
	default:
		v.Trouble = v.W.Unavailable
		p.o.Log.WarnContext(r.Context(), "the demo portal can't ask for a hosted page", "error", err)
	}
	p.show(w, r, status, v)
}

// back is where the hosted page sends the browser. Nothing that the browser
// brings along says how it went.
func (p *Portal) back(w http.ResponseWriter, r *http.Request) {
	v := view{W: p.words(w, r), Step: stepOver}
	known, ok := p.states.get(r)
	if !ok {
		p.show(w, r, http.StatusOK, v)
		return
	}
	s, err := p.api.look(r.Context(), known.Session)
	v.Name = known.Name
	status := http.StatusOK
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.Code == "not_found": // it is forgotten
	case err != nil:
		v.Step, v.On, v.Trouble, status = stepOpen, known.URL, v.W.Unavailable, http.StatusBadGateway
		p.o.Log.WarnContext(r.Context(), "the demo portal can't ask how a hosted page went", "error", err)
	case s.Status == "approved":
		v.Step, v.Masked = stepDone, s.masked()
	case s.Status == "pending":
		v.Step, v.On = stepOpen, cmp.Or(s.URL, known.URL)
	}
	p.show(w, r, status, v)
}

func (p *Portal) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	var html bytes.Buffer
	if err := p.page.Execute(&html, v); err != nil {
		p.o.Log.ErrorContext(r.Context(), "the demo portal can't be rendered", "error", err)
		http.Error(w, "the page can't be rendered; see the log", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "same-origin") // none would take away the Origin that a form is checked by
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // the client may be gone
}

// words are those of the language that the reader prefers: what they chose
// here, now or before, else what the browser says, else the first.
func (p *Portal) words(w http.ResponseWriter, r *http.Request) wording {
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = language.Make(l.Language)
	}
	chosen := r.URL.Query().Get("lang")
	before := ""
	if c, err := r.Cookie("demo_lang"); err == nil {
		before = c.Value
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), chosen, before, r.Header.Get("Accept-Language"))
	if chosen != "" {
		http.SetCookie(w, p.states.cookie("demo_lang", languages[i].Language, p.public.Scheme == "https"))
	}
	return languages[i]
}

// serveFile serves what only changes with the program.
func serveFile(kind string, data []byte) http.HandlerFunc {
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache") // that is: ask whether the tag still holds
		h.Set("ETag", tag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

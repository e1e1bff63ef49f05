// Package pages are the pages on which a person verifies a phone number, for an
// app that sends the browser here.
//
// A visit has an address of its own, /verify/{session}/, and a cookie for it
// alone. Each step is a page with an address: number, method, code, done. Each
// can be loaded at any time and shows what is, or leads to the step that is next,
// so that reloading and going back do no harm. What a step does is a form that is
// posted, and answered with a redirect. Everything works without JavaScript;
// scripts save typing and waiting.
package pages

import (
	"context"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"denwa/gateway"
)

// Options are what the handler is made of. All are required.
type Options struct {
	Sessions *gateway.Sessions
	// ClientAddress is the address of who made the request with a context, as far
	// as it can be believed, or "".
	ClientAddress func(context.Context) string
	Log           *slog.Logger
}

// Handler serves the pages below [gateway.SessionsPath].
type Handler struct {
	sessions      *gateway.Sessions
	clientAddress func(context.Context) string
	log           *slog.Logger
	languages     *languages
	templates     map[string]*template.Template
	assets        map[string]asset
	visits, files http.ServeMux

	// draining ends with [Handler.Close]: streams end with it.
	draining context.Context //nolint:containedctx // a lifetime, as in http.Server.BaseContext.
	drain    context.CancelFunc
}

// New returns the handler. It fails only if its own files are broken.
func New(o Options) (*Handler, error) {
	h := &Handler{sessions: o.Sessions, clientAddress: o.ClientAddress, log: o.Log}
	h.draining, h.drain = context.WithCancel(context.Background()) //nolint:gosec // G118: Close calls it.
	var err error
	if h.languages, err = loadLanguages(localeFiles); err != nil {
		return nil, err
	}
	if h.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if h.templates, err = loadTemplates(); err != nil {
		return nil, err
	}
	h.routes()
	return h, nil
}

// Close ends the streams of what becomes of verifications. Call it when the server
// begins to shut down, which waits for them otherwise. Pages then ask for another
// one, of another instance if there is one.
func (h *Handler) Close() error {
	h.drain()
	return nil
}

func (h *Handler) routes() {
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET {id}/{secret}": h.open,
		"GET {id}/{$}":      h.visit(h.step),
		"GET {id}/number":   h.visit(h.showNumber),
		"POST {id}/number":  h.form(h.enterNumber),
		"GET {id}/method":   h.visit(h.showMethod),
		"POST {id}/method":  h.form(h.send),
		"GET {id}/code":     h.visit(h.showCode),
		"POST {id}/code":    h.form(h.checkCode),
		"GET {id}/resend":   h.visit(h.step),
		"POST {id}/resend":  h.form(h.resend),
		"GET {id}/leave":    h.visit(h.step),
		"POST {id}/leave":   h.form(h.leave),
		"GET {id}/done":     h.visit(h.showDone),
		"GET {id}/events":   h.events,
		"GET ":              h.unknown,
	} {
		h.visits.HandleFunc(strings.Replace(pattern, " ", " "+gateway.SessionsPath, 1), serve)
	}
	for pattern, serve := range map[string]http.HandlerFunc{
		"{file}":                h.serveAsset,
		"brand/{app}/color.css": h.serveColor,
		"brand/{app}/logo":      h.serveLogo,
	} {
		h.files.HandleFunc("GET "+filesPath+pattern, serve)
	}
}

// filesPath is where the files are that come with the pages. No session has the
// id "-".
const filesPath = gateway.SessionsPath + "-/"

// ServeHTTP serves a page or what belongs to one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if strings.HasPrefix(r.URL.Path, filesPath) {
		h.files.ServeHTTP(w, r)
		return
	}
	h.visits.ServeHTTP(w, r)
}

// secure sets what holds for every reply.
func secure(header http.Header) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", policy(nil))
}

// policy lets a page load what comes with it, send forms to its own origin, and
// nothing else. Only the app's own sites may show it in a frame.
func policy(app *gateway.AppPolicy) string {
	frames := "'none'"
	if app != nil && len(app.Pages.FrameAncestors) > 0 {
		frames = strings.Join(app.Pages.FrameAncestors, " ")
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors " + frames
}

// unknown is for an address that is none.
func (h *Handler) unknown(w http.ResponseWriter, r *http.Request) {
	if h.chooseLanguage(w, r) {
		return
	}
	h.trouble(w, r, nil, troubles["unknown"])
}

// cookieName tells a visit's cookie. It is sent to that visit's pages alone.
const cookieName = "denwa_visit"

// open takes the secret in a link for a cookie. A browser that has the session
// already goes on where it was.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) {
	if h.chooseLanguage(w, r) {
		return
	}
	id := r.PathValue("id")
	// What only looks ahead must not use the link up.
	if r.Method == http.MethodHead || strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if v, err := h.sessions.Visit(r.Context(), id, cookieOf(r)); err == nil && v != nil {
		redirect(w, "./")
		return
	}
	cookie, err := h.sessions.Open(r.Context(), id, r.PathValue("secret"))
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	base := h.sessions.Base()
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure wherever the pages are.
		Name: cookieName, Value: cookie, Path: base.JoinPath(id).Path + "/",
		Secure: base.Scheme == "https", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	redirect(w, "./")
}

func cookieOf(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// redirect has the browser load what lies at a relative address. It stays
// relative, since the path that the browser sees may be longer than the one here.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// page is a request of a visit.
type page struct {
	*gateway.Visit
	w     http.ResponseWriter
	r     *http.Request
	words *words
	form  url.Values
	// redraw is whether a form was posted only to see it in another language.
	redraw bool
}

// visit serves a page of the browser that has the session.
func (h *Handler) visit(serve func(*page)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if h.chooseLanguage(w, r) {
			return
		}
		v, err := h.sessions.Visit(r.Context(), r.PathValue("id"), cookieOf(r))
		if err != nil {
			h.fail(w, r, nil, err)
			return
		}
		w.Header().Set("Content-Security-Policy", policy(v.Policy))
		serve(&page{Visit: v, w: w, r: r, words: h.wordsOf(r, v)})
	}
}

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

// form serves what a page posts, if it is that browser's own page.
func (h *Handler) form(serve func(*page)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, bodyErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		form, formErr := url.ParseQuery(string(body))
		for _, values := range form { // which may be shown again
			for i := range values {
				values[i] = strings.ToValidUTF8(values[i], "\ufffd")
			}
		}
		r.PostForm = form
		// The button is part of the form, so that what was typed isn't lost.
		chosen := h.languages.find(form.Get("lang"))
		if chosen != nil {
			h.keepLanguage(w, chosen)
		}
		v, err := h.sessions.Visit(r.Context(), r.PathValue("id"), cookieOf(r))
		if err != nil {
			h.fail(w, r, nil, err)
			return
		}
		w.Header().Set("Content-Security-Policy", policy(v.Policy))
		if bodyErr != nil || formErr != nil || !v.HasToken(form.Get("token")) {
			h.trouble(w, r, v, troubles["form"])
			return
		}
		p := &page{Visit: v, w: w, r: r, words: h.wordsOf(r, v), form: form, redraw: chosen != nil}
		serve(p)
	}
}

// step leads to the page that is next.
func (h *Handler) step(p *page) { redirect(p.w, next(p)) }

// next is the page that shows what is.
func next(p *page) string {
	switch {
	case p.Status == gateway.Approved:
		return "done"
	case p.Verification != nil || p.Sending || p.Status != gateway.Pending:
		return "code"
	case p.Draft.Number != "":
		return "method"
	}
	return "number"
}

// pending leads elsewhere unless the session is pending.
func (h *Handler) pending(p *page) bool {
	switch {
	case p.Status == gateway.Approved:
		redirect(p.w, "done")
	case p.Status != gateway.Pending:
		h.ended(p)
	default:
		return true
	}
	return false
}

// fail shows why a request came to nothing.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, v *gateway.Visit, err error) {
	var refused *gateway.Error
	switch {
	case errors.Is(err, gateway.ErrSessionTaken), errors.Is(err, gateway.ErrSessionOver) && v == nil:
		h.trouble(w, r, v, troubles["taken"])
		return
	case errors.Is(err, gateway.ErrSessionStale), errors.Is(err, gateway.ErrSessionOver):
		redirect(w, "./") // which shows what is
		return
	case !errors.As(err, &refused):
		h.log.ErrorContext(r.Context(), "page failed", "error", err)
		h.trouble(w, r, v, troubles["internal"])
		return
	}
	t := troubleOf(refused.Code)
	switch t.key {
	case "internal":
		h.log.ErrorContext(r.Context(), "page failed", "error", err)
	case "unavailable":
		h.log.WarnContext(r.Context(), "page failed", "error", err)
	}
	t.wait = refused.RetryAfter
	h.trouble(w, r, v, t)
}

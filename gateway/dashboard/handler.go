package dashboard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/text/language"
)

const (
	// readTimeout bounds one look at the store.
	readTimeout = 3 * time.Second
	// fresh is how long a report is shown again, so that the store doesn't feel
	// how many people look.
	fresh = time.Second
)

// policy lets the page load what comes with it, ask its own origin, and
// nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page
var pageFiles embed.FS

// window is a span of time up to now.
type window struct {
	Name  string // in the query
	width time.Duration
	slots int
}

// windows are those that the page offers; the first is shown unasked.
func windows() []window {
	return []window{{"15m", time.Minute, 15}, {"1h", time.Minute, 60}, {"24h", 10 * time.Minute, 144}}
}

// Options are what a [Handler] is made of.
type Options struct {
	Store Store
	// Learning is of the routes that learn; nil if none does.
	Learning Learning
	Log      *slog.Logger
	// Zone is the one in which times are shown; nil is the machine's own.
	Zone *time.Location
}

// Handler serves the dashboard under /dashboard, for the admin listener: it asks
// nobody who they are. It holds no number, code or id.
type Handler struct {
	o    Options
	mux  *http.ServeMux
	page *template.Template

	mu      sync.Mutex
	reports map[string]known
}

// known is a report that was made lately.
type known struct {
	report
	at time.Time
}

// NewHandler returns the dashboard.
func NewHandler(o Options) *Handler {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	h := &Handler{
		o: o, mux: http.NewServeMux(), reports: map[string]known{},
		page: template.Must(template.ParseFS(pageFiles, "page/dashboard.html", "page/lessons.html")),
	}
	h.mux.HandleFunc("GET /dashboard", h.show)
	for name, kind := range map[string]string{
		"dashboard.css": "text/css; charset=utf-8", "dashboard.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		data, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic(err) // it is part of the binary
		}
		h.mux.HandleFunc("GET /dashboard/"+name, serveFile(kind, data))
	}
	return h
}

// ServeHTTP implements [http.Handler]. It sees the whole path.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	in := windows()[0]
	for _, other := range windows() {
		if r.URL.Query().Get("window") == other.Name {
			in = other
		}
	}
	status := http.StatusOK
	rep, err := h.report(r.Context(), in)
	if err != nil {
		if r.Context().Err() != nil {
			return // nobody looks any more
		}
		h.o.Log.WarnContext(r.Context(), "the dashboard can't be read", "error", err)
		status = http.StatusServiceUnavailable
	}
	words := wordsFor(r)
	v := newView(rep, err == nil, in, words, h.o.Zone)
	v.Lessons = newLessons(h.o.Learning, words)
	var html bytes.Buffer
	if err := h.page.Execute(&html, v); err != nil {
		h.o.Log.ErrorContext(r.Context(), "the dashboard can't be rendered", "error", err)
		http.Error(w, "the dashboard can't be rendered; see the log", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // the client may be gone
}

// report reads a window, at most once a second. Who asks meanwhile waits for
// the same answer.
func (h *Handler) report(ctx context.Context, in window) (report, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k, ok := h.reports[in.Name]; ok && time.Since(k.at) < fresh {
		return k.report, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	now, counts, seen, err := h.o.Store.Read(ctx, in.width, in.slots)
	if err != nil {
		return report{}, err
	}
	rep := summarise(now, in.width, counts, seen)
	h.reports[in.Name] = known{rep, time.Now()}
	return rep, nil
}

// wordsFor are those of the language that the reader prefers: what they chose
// on the page, else what the browser says, else the first.
func wordsFor(r *http.Request) wording {
	tags := make([]language.Tag, len(languages))
	for i, w := range languages {
		tags[i] = language.Make(w.Language)
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))
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

package sandbox

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"time"

	"golang.org/x/text/language"
)

//go:embed page
var pageFiles embed.FS

// policy lets the page load what comes with it, ask its own origin, and
// nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// servePage serves the page with the phones, one copy for each language.
func servePage(mux *http.ServeMux) {
	page := template.Must(template.ParseFS(pageFiles, "page/phones.html"))
	pages := make([]http.HandlerFunc, len(words))
	for i, w := range words {
		var html bytes.Buffer
		if err := page.Execute(&html, w); err != nil {
			panic(err) // it is part of the binary, and takes no other input
		}
		pages[i] = serveFile("text/html; charset=utf-8", html.Bytes())
	}
	mux.HandleFunc("GET /sandbox/{$}", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Vary", "Accept-Language")
		pages[languageOf(r)](w, r)
	})
	for name, kind := range map[string]string{
		"phones.css": "text/css; charset=utf-8", "phones.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		data, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic(err) // it is part of the binary
		}
		mux.HandleFunc("GET /sandbox/"+name, serveFile(kind, data))
	}
}

// languageOf is the index in words of what the reader prefers: what they chose
// on the page, else what the browser says, else the first.
func languageOf(r *http.Request) int {
	tags := make([]language.Tag, len(words))
	for i, w := range words {
		tags[i] = language.Make(w.Language)
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))
	return i
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

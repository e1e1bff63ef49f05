package pages

import (
	"bytes"
	"html/template"
	"net/http"
	"path"
	"strings"

	"denwa/gateway"
)

// layout is what every page has around its own.
type layout struct {
	Name   string // of the template, and of the script if there is one
	Status int
	Title  string
	Script bool
	// Refresh is after how many seconds the page loads itself again: with
	// RefreshAlways in any case, else without JavaScript only; 0 for not at all.
	Refresh       int
	RefreshAlways bool
	// Wrong is whether something that was typed has to be typed again.
	Wrong bool
	// Form is whether there is a form that the choice of a language has to keep.
	Form bool
	Body any
}

// view is what a template is given.
type view struct {
	layout
	*words
	root string

	Visit     *gateway.Visit // nil where there is none
	Languages []otherLanguage
	assets    map[string]asset
}

// T is [words.T]. Were it promoted, templates would call it through a wrapper that
// leaves frames on the race detector's stack (Go 1.26), and reports would name
// pages that are over.
func (v view) T(key string, args ...any) (string, error) { return v.words.T(key, args...) }

type otherLanguage struct{ Tag, Name string }

// Link is the address of what comes with the pages, from where the page is.
func (v view) Link(name string) string { return v.root + "-/" + name + "?v=" + v.assets[name].hash }

// Modules are what the page's script imports, to be fetched together with it.
func (v view) Modules() []string {
	switch v.Name {
	case "number":
		return []string{v.root + "-/once.js", v.root + "-/picker.js", v.root + "-/japan.js"}
	case "code", "wait":
		return []string{v.root + "-/once.js", v.root + "-/live.js"}
	case "trouble":
		return []string{v.root + "-/live.js"}
	}
	return []string{v.root + "-/once.js"}
}

// Color is the address of the brand's colour, or "".
func (v view) Color() string {
	if v.Visit == nil || v.Visit.Policy.Pages.Color == "" {
		return ""
	}
	return v.root + colorLink(v.Visit.Policy)
}

// Logo is the address of the brand's logo, or "".
func (v view) Logo() string {
	if v.Visit == nil || v.Visit.Policy.Pages.Logo == "" {
		return ""
	}
	return v.root + "-/brand/" + v.Visit.Policy.Name + "/logo"
}

// Brand is whom the pages are for, or "".
func (v view) Brand() string {
	if v.Visit == nil {
		return ""
	}
	return v.Visit.Policy.Brand
}

// loadTemplates reads the pages, each in the layout.
func loadTemplates() (map[string]*template.Template, error) {
	base, err := template.ParseFS(pageFiles, "page/layout.html")
	if err != nil {
		return nil, err
	}
	all := map[string]*template.Template{}
	for _, name := range []string{"number", "method", "code", "wait", "sending", "done", "trouble"} {
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if all[name], err = t.ParseFS(pageFiles, path.Join("page", name+".html")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// show renders a page of a visit.
func (h *Handler) show(p *page, l layout) { h.render(p.w, p.r, p.Visit, p.words, l) }

// render renders a page. Nothing is written before all of it is there.
func (h *Handler) render(w http.ResponseWriter, r *http.Request, visit *gateway.Visit, words *words, l layout) {
	below := strings.TrimPrefix(r.URL.Path, gateway.SessionsPath)
	v := view{
		layout: l, words: words, Visit: visit, assets: h.assets,
		root: "./" + strings.Repeat("../", strings.Count(below, "/")),
	}
	for _, other := range h.languages.list {
		if other != words {
			v.Languages = append(v.Languages, otherLanguage{other.Tag, other.text("language")})
		}
	}
	var body bytes.Buffer
	if err := h.templates[l.Name].ExecuteTemplate(&body, "layout", v); err != nil {
		h.log.ErrorContext(r.Context(), "page can't be rendered", "page", l.Name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", words.Tag)
	header.Set("Vary", "Cookie, Accept-Language")
	w.WriteHeader(max(l.Status, http.StatusOK))
	_, _ = w.Write(body.Bytes()) // a client that is gone, mostly
}

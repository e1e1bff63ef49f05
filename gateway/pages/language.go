package pages

import (
	"net/http"
	"strings"

	"denwa/gateway"
)

// languageCookie holds the language that the person chose, on all pages.
const languageCookie = "denwa_language"

// wordsOf is the language of a page: what the person chose, just now with a form
// or before, what the app asked for, what the browser prefers.
func (h *Handler) wordsOf(r *http.Request, v *gateway.Visit) *words {
	if chosen := h.languages.find(r.PostForm.Get("lang")); chosen != nil {
		return chosen
	}
	if c, err := r.Cookie(languageCookie); err == nil {
		if chosen := h.languages.find(c.Value); chosen != nil {
			return chosen
		}
	}
	var asked string
	if v != nil {
		asked = v.Locale
	}
	return h.languages.match(asked, r.Header.Get("Accept-Language"))
}

// chooseLanguage takes "?lang=en" off the address and keeps it.
func (h *Handler) chooseLanguage(w http.ResponseWriter, r *http.Request) (chosen bool) {
	found := h.languages.find(r.URL.Query().Get("lang"))
	if found == nil {
		return false
	}
	h.keepLanguage(w, found)
	here := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	redirect(w, "./"+here)
	return true
}

func (h *Handler) keepLanguage(w http.ResponseWriter, chosen *words) {
	base := h.sessions.Base()
	const year = 365 * 24 * 60 * 60
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure wherever the pages are.
		Name: languageCookie, Value: chosen.Tag, Path: base.Path, MaxAge: year,
		Secure: base.Scheme == "https", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

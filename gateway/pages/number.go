package pages

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"denwa/gateway"
	"denwa/gateway/phone"
)

// numberView is what number.html shows.
type numberView struct {
	Countries []country
	Country   string // chosen
	Number    string
	Extension string
	// What is wrong with the fields; empty if nothing is.
	CountryWrong, NumberWrong, ExtensionWrong string
}

func (h *Handler) showNumber(p *page) {
	if !h.pending(p) {
		return
	}
	d := gateway.Draft{Country: p.Draft.Country}
	if p.Typed { // a number that the app gave isn't shown to whoever has the link
		d = p.Draft
	}
	h.number(p, http.StatusOK, d, nil)
}

func (h *Handler) enterNumber(p *page) {
	if !h.pending(p) {
		return
	}
	form := p.form
	d := gateway.Draft{Number: form.Get("number"), Country: form.Get("country"), Extension: form.Get("extension")}
	if p.redraw {
		h.number(p, http.StatusOK, d, nil)
		return
	}
	err := h.sessions.Enter(p.r.Context(), p.Visit, d)
	var refused *gateway.Error
	switch {
	case err == nil:
		redirect(p.w, "method")
	case errors.As(err, &refused) && aboutNumber(refused.Code):
		h.number(p, http.StatusUnprocessableEntity, d, refused)
	default:
		h.fail(p.w, p.r, p.Visit, err)
	}
}

// aboutNumber reports whether another number would do.
func aboutNumber(c gateway.Code) bool {
	return slices.Contains([]gateway.Code{
		gateway.CodeInvalidNumber, gateway.CodeNumberNotAllowed, gateway.CodeCountryNotAllowed, gateway.CodeInvalidRequest,
	}, c)
}

// number shows the form for a number. refused is what is wrong with d, or nil.
func (h *Handler) number(p *page, status int, d gateway.Draft, refused *gateway.Error) {
	app := p.Policy
	preferred := cmp.Or(app.Country, h.sessions.DefaultCountry())
	v := numberView{
		Countries: offered(p.words.countries, app.Countries, preferred),
		Country:   cmp.Or(d.Country, preferred), Number: d.Number, Extension: d.Extension,
	}
	if refused != nil {
		key := reasonOf(refused.Code, d)
		why := p.words.text("reason."+key, "brand", app.Brand)
		switch {
		case key == string(phone.BadExtension):
			v.ExtensionWrong = why
		case key == string(phone.UnknownRegion):
			v.CountryWrong = why
		default:
			v.NumberWrong = why
		}
	}
	h.show(p, layout{
		Name: "number", Status: status, Title: p.words.text("number.title"),
		Script: true, Form: true, Wrong: refused != nil, Body: v,
	})
}

// reasonOf is the text that says why d isn't accepted.
func reasonOf(code gateway.Code, d gateway.Draft) string {
	n, err := phone.Parse(d.Number, phone.Options{Region: d.Country, Extension: d.Extension, AllowExtension: true})
	var why *phone.Error
	switch {
	case errors.As(err, &why):
		return string(why.Reason)
	case code == gateway.CodeCountryNotAllowed:
		return "country"
	case n.Type == phone.Emergency, n.Type == phone.TollFree:
		return string(n.Type)
	}
	return "type"
}

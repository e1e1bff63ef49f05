package pages

import (
	"cmp"
	"errors"

	"denwa/gateway"
)

// methodView is what method.html shows.
type methodView struct {
	Number    string
	Extension string
	Seen      string // names the number that is shown
	Ways      []methodWay
	// Missing says why what isn't there is missing.
	Missing []string
	// ByApp is whether the operator could offer it.
	ByApp bool
}

type methodWay struct {
	Channel     gateway.Channel
	Label, Hint string
}

func (h *Handler) showMethod(p *page) {
	if !h.pending(p) {
		return
	}
	n, err := h.sessions.Number(p.Visit)
	if err != nil { // none yet, or not any more
		redirect(p.w, "number")
		return
	}
	v := methodView{Number: unbroken(n.Masked), Extension: n.Extension, Seen: h.sessions.Seen(p.Visit, n)}
	if p.Typed {
		v.Number = unbroken(n.National)
		if n.Country != cmp.Or(p.Policy.Country, h.sessions.DefaultCountry()) {
			v.Number = n.E164
		}
	}
	mode := string(cmp.Or(p.Mode, gateway.ModeConfirm))
	for _, way := range h.sessions.Ways(p.Visit, n) {
		ch := string(way.Channel)
		if way.Obstacle != "" {
			v.Missing = append(v.Missing, p.words.text("obstacle."+ch+"."+string(way.Obstacle), "brand", p.Policy.Brand))
			v.ByApp = v.ByApp || way.Obstacle == gateway.ByApp
			continue
		}
		hint := "method.sms.hint"
		if way.Channel == gateway.Voice {
			hint = "method.voice." + mode
		}
		v.Ways = append(v.Ways, methodWay{way.Channel, p.words.text("method." + ch), p.words.text(hint)})
	}
	h.show(p, layout{Name: "method", Script: true, Title: p.words.text("method.title"), Body: v})
}

// send sends what the person chose.
func (h *Handler) send(p *page) {
	if !h.pending(p) {
		return
	}
	form := p.form
	err := h.sessions.Send(p.r.Context(), p.Visit, gateway.SessionSend{
		Channel: gateway.Channel(form.Get("channel")), Seen: form.Get("seen"),
		Locale: p.words.Tag, ClientIP: h.clientAddress(p.r.Context()),
	})
	var refused *gateway.Error
	switch {
	case err == nil:
		redirect(p.w, "code")
	case !errors.As(err, &refused):
		h.fail(p.w, p.r, p.Visit, err)
	case refused.Code == gateway.CodeDeliveryFailed:
		redirect(p.w, "code") // which shows that, and how to go on
	case aboutNumber(refused.Code), refused.Code == gateway.CodeChannelNotAvailable:
		redirect(p.w, "method") // the configuration has changed
	default:
		h.fail(p.w, p.r, p.Visit, err)
	}
}

// leave gives up, as the person asked.
func (h *Handler) leave(p *page) {
	if err := h.sessions.Leave(p.r.Context(), p.Visit); err != nil {
		h.fail(p.w, p.r, p.Visit, err)
		return
	}
	redirect(p.w, "./")
}

// doneView is what done.html shows.
type doneView struct {
	Number string // masked; empty if it is no longer known
	Back   string
}

func (h *Handler) showDone(p *page) {
	if p.Status != gateway.Approved {
		h.step(p)
		return
	}
	v := doneView{Back: p.BackURL()}
	if p.Verification != nil {
		v.Number = unbroken(p.Verification.ToMasked)
	}
	h.show(p, layout{Name: "done", Title: p.words.text("done.title"), Body: v})
}

package pages

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"denwa/gateway"
	"denwa/gateway/phone"
	"denwa/providers"
	"denwa/ratelimit"
)

// challengeView is what code.html and wait.html show: a verification that waits
// for the person.
type challengeView struct {
	Number string // masked
	Digits int
	Valid  string // for how long
	// Called is whether the latest send was a call.
	Called bool
	Shown  string // the digits to key in
	// Status is the latest news; Alert is whether it is bad.
	Status string
	Alert  bool
	// Over is whether the call has ended without a result.
	Over bool
	// Carrier is whether nothing has left the gateway yet.
	Carrier bool
	Typed   string
	Wrong   string
	Ways    []sendWay
	Turn    int
	Used    int   // attempts
	Since   int64 // when the verification last changed, in microseconds
	Sight   string
}

// sendWay is a way to send again.
type sendWay struct {
	Channel gateway.Channel
	Label   string
	Wait    int // seconds until it may be used
}

func (h *Handler) showCode(p *page) {
	if h.challenged(p) {
		h.challenge(p, http.StatusOK, "", "")
	}
}

// challenged reports whether there is a verification that waits for the person;
// otherwise it shows what there is.
func (h *Handler) challenged(p *page) bool {
	if !h.pending(p) {
		return false
	}
	v := p.Verification
	switch {
	case p.Sending:
		h.show(p, layout{Name: "sending", Title: p.words.text("sending.title"), Refresh: 2, RefreshAlways: true})
	case v == nil:
		h.step(p)
	case v.Status == gateway.Failed:
		h.troubled(p, troubles[byMode(v, "attempts", "keyed_attempts")])
	case v.Status == gateway.Expired:
		h.troubled(p, troubles[byMode(v, "code_expired", "call_expired")])
	case v.Status == gateway.Canceled:
		h.troubled(p, troubles["withdrawn"])
	case v.Status == gateway.Denied:
		h.troubled(p, troubles["denied"])
	default:
		return true
	}
	return false
}

// byMode is code where the person has one to type, and call where keys on a call decide.
func byMode(v *gateway.Verification, code, call string) string {
	if v.Mode == gateway.ModeCode {
		return code
	}
	return call
}

// challenge shows the page to type the code on, or to wait for the call's end.
// wrong is what is wrong with the typed code, or "".
func (h *Handler) challenge(p *page, status int, typed, wrong string) {
	v := p.Verification
	n := newsOf(v)
	view := challengeView{
		Number: unbroken(v.ToMasked), Digits: v.Digits(), Valid: p.words.duration(v.ExpiresAt.Sub(p.Now)),
		Called: v.Channel == gateway.Voice, Shown: spaced(v.ShownCode),
		Status: p.words.text(n.key), Alert: n.alert, Over: n.over, Carrier: n.carrier,
		Typed: typed, Wrong: wrong, Ways: h.sendWays(p), Turn: p.Turn,
		Used: v.Attempts, Since: v.UpdatedAt.UnixMicro(), Sight: sight(v),
	}
	l := layout{Name: "wait", Status: status, Script: true, Body: view}
	switch {
	case n.carrier:
		l.Title = p.words.text("trouble.carrier")
	case v.Mode == gateway.ModeCode:
		l.Name, l.Form, l.Wrong = "code", true, wrong != ""
		l.Title = p.words.text("code.title")
	case n.over:
		l.Title = p.words.text("wait.over")
	case v.Mode == gateway.ModeKeyed:
		l.Title, l.Refresh = p.words.text("keyed.title"), waitRefresh
	default:
		l.Title, l.Refresh = p.words.text("wait.title"), waitRefresh
	}
	h.show(p, l)
}

// waitRefresh is how often the waiting page loads itself, in seconds, where no
// script listens. Its text says so.
const waitRefresh = 5

// spaced is digits as they are read: three at a time.
func spaced(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

// unbroken is a number that no line break takes apart: its spaces are no-break
// ones, and a word joiner follows each dash.
func unbroken(number string) string {
	return strings.NewReplacer(" ", "\u00a0", "-", "-\u2060").Replace(number)
}

// news is what the latest delivery of a verification has to say.
type news struct {
	key     string // of the text
	alert   bool   // it won't get through
	over    bool   // the call has ended, and nobody has to wait for it
	carrier bool   // no provider took anything so far
}

func newsOf(v *gateway.Verification) (n news) {
	if len(v.Deliveries) == 0 {
		return news{key: "sending.lead"}
	}
	last := v.Deliveries[len(v.Deliveries)-1]
	n.key = string(last.Channel) + "." + string(last.Status)
	if last.Channel == gateway.Voice {
		n.key = "call." + string(last.Status)
		n.over = last.Status.Final() && last.Status != providers.Confirmed
		n.alert = n.over && last.Status != providers.Delivered
		if last.Status == providers.Answered && v.Mode != gateway.ModeCode {
			n.key += "." + string(v.Mode)
		}
	} else {
		n.alert = last.Status.Final() && last.Status != providers.Delivered
	}
	n.carrier = true
	for _, d := range v.Deliveries {
		n.carrier = n.carrier && d.Status == providers.Failed
	}
	return n
}

// sendWays are the ways to send again, that of the last send first.
func (h *Handler) sendWays(p *page) (ways []sendWay) {
	v := p.Verification
	for _, way := range h.sessions.Ways(p.Visit, phone.Number{Type: phone.Type(v.NumberType), Extension: v.Extension}) {
		at, ok := v.NextSendAt[way.Channel]
		if !ok || way.Obstacle != "" {
			continue
		}
		again := sendWay{Channel: way.Channel, Wait: secondsUntil(at.Sub(p.Now))}
		if way.Channel == v.Channel {
			again.Label = p.words.text("resend." + string(way.Channel))
			ways = append([]sendWay{again}, ways...)
		} else {
			again.Label = p.words.text("resend.other." + string(way.Channel))
			ways = append(ways, again)
		}
	}
	return ways
}

// secondsUntil rounds up. What is over within half a second is over: session and
// verification are read one after the other.
func secondsUntil(d time.Duration) int {
	if d < time.Second/2 {
		return 0
	}
	return int(math.Ceil(d.Seconds()))
}

func (h *Handler) checkCode(p *page) {
	typed := p.form.Get("code")
	switch {
	case !h.pending(p):
		return
	case p.Verification == nil, p.Verification.Status != gateway.Pending, p.Verification.Mode != gateway.ModeCode:
		redirect(p.w, "./") // another tab has gone on
		return
	case p.redraw:
		h.challenge(p, http.StatusOK, typed, "")
		return
	}
	used, err := strconv.Atoi(p.form.Get("used"))
	if err != nil { // a page from before
		used = -1
	}
	valid, err := h.sessions.Check(p.r.Context(), p.Visit, typed, used)
	var refused *gateway.Error
	switch {
	case valid:
		redirect(p.w, "done")
	case err == nil && p.Verification.Status == gateway.Pending:
		h.challenge(p, http.StatusUnprocessableEntity, "", p.words.text("code.wrong", "n", p.Verification.AttemptsRemaining()))
	case err == nil:
		redirect(p.w, "code") // that was the last attempt
	case !errors.As(err, &refused):
		h.fail(p.w, p.r, p.Visit, err)
	case refused.Code == gateway.CodeInvalidRequest:
		h.challenge(p, http.StatusUnprocessableEntity, typed, p.words.text("code.form", "digits", p.Verification.Digits()))
	case refused.Code == gateway.CodeRateLimited:
		h.challenge(p, http.StatusTooManyRequests, typed, p.words.text("code.limited"))
	case refused.Code == gateway.CodeNotPending, refused.Code == gateway.CodeNotFound:
		redirect(p.w, "./")
	default:
		h.fail(p.w, p.r, p.Visit, err)
	}
}

func (h *Handler) resend(p *page) {
	if !h.pending(p) {
		return
	}
	turn, _ := strconv.Atoi(p.form.Get("turn")) // without a number it is a page from before
	err := h.sessions.Resend(p.r.Context(), p.Visit, gateway.Channel(p.form.Get("channel")), turn)
	var refused *gateway.Error
	switch {
	case err == nil, errors.As(err, &refused) && shownByCode(refused):
		redirect(p.w, "code")
	default:
		h.fail(p.w, p.r, p.Visit, err)
	}
}

// shownByCode reports whether the page for the code shows why nothing was sent:
// its countdown isn't over, there is nothing left to send, or no carrier took it.
func shownByCode(e *gateway.Error) bool {
	switch e.Code { //nolint:exhaustive // the others have pages of their own.
	case gateway.CodeDeliveryFailed, gateway.CodeNotPending, gateway.CodeChannelNotAvailable:
		return true
	case gateway.CodeRateLimited:
		limit := ratelimit.Name(e.Limit)
		return limit == ratelimit.NumberCooldown || limit == gateway.LimitSends || limit == gateway.LimitCalls
	}
	return false
}

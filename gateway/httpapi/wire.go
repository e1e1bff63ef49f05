package httpapi

import (
	"time"

	"denwa/gateway"
)

// The bodies of requests. Each is flat; see decode. A pointer is nil where a
// required member is missing.
type (
	startBody struct {
		To        *string `json:"to"`
		Country   string  `json:"country"`
		Extension string  `json:"extension"`
		Channel   string  `json:"channel"`
		Mode      string  `json:"mode"`
		Locale    string  `json:"locale"`
		Purpose   string  `json:"purpose"`
		ClientIP  string  `json:"client_ip"`
		Origin    string  `json:"origin"`
		AppHash   string  `json:"app_hash"`
		Reference string  `json:"reference"`
	}
	checkBody struct {
		Code string `json:"code"`
	}
	resendBody struct {
		Channel string `json:"channel"`
	}
	cancelBody struct{}
	lookupBody struct {
		Number  *string `json:"number"`
		Country string  `json:"country"`
	}
)

// verification is a [gateway.Verification] as callers see it. Members that say
// nothing are left out.
type verification struct {
	ID                gateway.ID      `json:"id"`
	Status            gateway.Status  `json:"status"`
	Channel           gateway.Channel `json:"channel"`
	Mode              gateway.Mode    `json:"mode"`
	To                string          `json:"to"`
	ToMasked          string          `json:"to_masked"`
	Extension         string          `json:"extension,omitempty"`
	Country           string          `json:"country"`
	NumberType        string          `json:"number_type"`
	Locale            string          `json:"locale"`
	DisplayCode       string          `json:"display_code,omitempty"`
	AttemptsRemaining int             `json:"attempts_remaining"`
	SendsRemaining    int             `json:"sends_remaining"`
	CreatedAt         string          `json:"created_at"`
	ExpiresAt         string          `json:"expires_at"`
	NextSendAt        *nextSendAt     `json:"next_send_at,omitempty"`
	Purpose           string          `json:"purpose,omitempty"`
	Reference         string          `json:"reference,omitempty"`
	Deliveries        []delivery      `json:"deliveries"`
}

// nextSendAt is a struct, because a map costs encoding/json six allocations.
type nextSendAt struct {
	SMS   string `json:"sms,omitempty"`
	Voice string `json:"voice,omitempty"`
}

type delivery struct {
	Provider string          `json:"provider"`
	Channel  gateway.Channel `json:"channel"`
	Status   string          `json:"status"`
	At       string          `json:"at"`
	Segments int             `json:"segments,omitempty"`
}

type checkReply struct {
	Valid        bool          `json:"valid"`
	Verification *verification `json:"verification"`
}

type lookupReply struct {
	E164      string                           `json:"e164"`
	National  string                           `json:"national"`
	Masked    string                           `json:"masked"`
	Country   string                           `json:"country"`
	Type      string                           `json:"type"`
	Extension string                           `json:"extension,omitempty"`
	Channels  map[gateway.Channel]availability `json:"channels"`
}

type availability struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
}

func verificationOf(v *gateway.Verification) *verification {
	w := &verification{
		ID: v.ID, Status: v.Status, Channel: v.Channel, Mode: v.Mode,
		To: v.To, ToMasked: v.ToMasked, Extension: v.Extension,
		Country: v.Country, NumberType: v.NumberType, Locale: v.Locale, DisplayCode: v.ShownCode,
		AttemptsRemaining: v.AttemptsRemaining(), SendsRemaining: v.SendsRemaining(),
		CreatedAt: timestamp(v.CreatedAt), ExpiresAt: timestamp(v.ExpiresAt),
		Purpose: v.Purpose, Reference: v.Reference,
		Deliveries: deliveriesOf(v.Deliveries),
	}
	if len(v.NextSendAt) > 0 {
		w.NextSendAt = &nextSendAt{}
		for channel, at := range v.NextSendAt {
			switch channel {
			case gateway.SMS:
				w.NextSendAt.SMS = notBefore(at)
			case gateway.Voice:
				w.NextSendAt.Voice = notBefore(at)
			}
		}
	}
	return w
}

func deliveriesOf(in []gateway.Delivery) []delivery {
	out := make([]delivery, len(in))
	for i, d := range in {
		out[i] = delivery{
			Provider: d.Provider, Channel: d.Channel, Status: string(d.Status),
			At: timestamp(d.At), Segments: d.Segments,
		}
	}
	return out
}

func lookupReplyOf(l gateway.Lookup) *lookupReply {
	w := &lookupReply{
		E164: l.E164, National: l.National, Masked: l.Masked, Country: l.Country,
		Type: string(l.Type), Extension: l.Extension,
		Channels: make(map[gateway.Channel]availability, len(l.Channels)),
	}
	for channel, a := range l.Channels {
		w.Channels[channel] = availability{Allowed: a.Allowed, Reason: a.Reason}
	}
	return w
}

// timestamp is RFC 3339 in UTC, to the millisecond.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// notBefore is timestamp rounded up, so that a client that waits until then isn't early.
func notBefore(t time.Time) string { return timestamp(t.Add(time.Millisecond - 1)) }

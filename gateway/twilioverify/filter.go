package twilioverify

import (
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"denwa/gateway"
)

// filter says which attempts are wanted. The zero filter wants all.
type filter struct {
	From  time.Time `json:"f,omitzero"` // included
	Until time.Time `json:"u,omitzero"` // not included
	// To is a number, or with Prefix, how it begins.
	To      string          `json:"t,omitempty"`
	Prefix  bool            `json:"p,omitempty"`
	Country string          `json:"c,omitempty"`
	Channel gateway.Channel `json:"h,omitempty"`
	// Verification is the SID of the one whose attempts are wanted.
	Verification string `json:"v,omitempty"`
	Status       string `json:"s,omitempty"`
	// Nothing is wanted that could be here.
	Nothing bool `json:"n,omitempty"`
}

// filterOf reads the parameters of a query.
func (s *server) filterOf(c *call, q url.Values) (f filter, err error) {
	for name, to := range map[string]*time.Time{"DateCreatedAfter": &f.From, "DateCreatedBefore": &f.Until} {
		if text := q.Get(name); text != "" {
			if *to, err = time.Parse(time.RFC3339, text); err != nil {
				return f, refuse(invalidParameter, "`%s` must be a time such as 2026-04-01T00:00:00Z", name)
			}
		}
	}
	if to := q.Get("ChannelData.To"); to != "" {
		number, err := s.lookup(c, to)
		if err != nil {
			return f, err
		}
		f.To = number.E164
	}
	if prefix := q.Get("DestinationPrefix"); prefix != "" {
		f.To, f.Prefix = "+"+strings.TrimPrefix(strings.TrimSpace(prefix), "+"), true // a plus in a query may have become a space
		if len(f.To) == 1 || strings.Trim(f.To[1:], "0123456789") != "" {
			return f, refuse(invalidParameter, "`DestinationPrefix` must be how a number in E.164 begins")
		}
	}
	if f.Country = strings.ToUpper(q.Get("Country")); f.Country != "" && (len(f.Country) != 2 || strings.Trim(f.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return f, refuse(invalidParameter, "`Country` must be an ISO 3166-1 alpha-2 code, such as JP")
	}
	switch ch := strings.ToLower(q.Get("Channel")); ch {
	case "":
	case "sms", "call":
		f.Channel, _ = channelOf(ch)
	case "email", "whatsapp", "rbm":
		f.Nothing = true
	default:
		return f, refuse(invalidParameter, "`Channel` must be sms or call")
	}
	if text := q.Get("VerifyServiceSid"); text != "" {
		if _, ok := parseSID("VA", text); !ok {
			return f, refuse(invalidParameter, "`VerifyServiceSid` must be VA and 32 hexadecimal digits")
		}
		f.Nothing = f.Nothing || text != c.app.Twilio.ServiceSID
	}
	if f.Verification = q.Get("VerificationSid"); f.Verification != "" {
		if _, ok := parseSID("VE", f.Verification); !ok {
			return f, refuse(invalidParameter, "`VerificationSid` must be VE and 32 hexadecimal digits")
		}
	}
	switch f.Status = strings.ToLower(q.Get("Status")); f.Status {
	case "", converted, unconverted:
		return f, nil
	}
	return f, refuse(invalidParameter, "`Status` must be converted or unconverted")
}

// What an attempt's conversion status may be.
const (
	converted   = "converted"
	unconverted = "unconverted"
)

func conversion(a gateway.TwilioAttempt) string {
	if a.Converted {
		return converted
	}
	return unconverted
}

// wants reports whether a is wanted. number is its number, or "".
func (f filter) wants(a gateway.TwilioAttempt, number func() string) bool {
	switch {
	case f.Country != "" && f.Country != a.Country,
		f.Channel != "" && f.Channel != a.Channel,
		f.Status != "" && f.Status != conversion(a),
		!f.From.IsZero() && a.CreatedAt.Before(f.From),
		!f.Until.IsZero() && !a.CreatedAt.Before(f.Until):
		return false
	case f.To == "":
		return true
	case f.Prefix:
		return strings.HasPrefix(number(), f.To)
	}
	return number() == f.To
}

const (
	// mostSends is the largest defaults.max_sends.
	mostSends = 10
	// scanBatch is how many attempts are read at once.
	scanBatch = 1000
)

// attempts are those that f wants, the latest first, from behind the attempt
// after on. few is how many are likely to be looked at.
func (s *server) attempts(ctx context.Context, app *gateway.AppPolicy, f filter, after *sid, few int) iter.Seq2[gateway.TwilioAttempt, error] {
	return func(yield func(gateway.TwilioAttempt, error) bool) {
		if f.Nothing {
			return
		}
		for batch, err := range s.batches(ctx, app, f, after, few) {
			if err != nil {
				yield(gateway.TwilioAttempt{}, &refusal{code: unavailable, retry: 2, err: err})
				return
			}
			for _, a := range batch {
				if !f.From.IsZero() && a.CreatedAt.Before(f.From) && f.Verification == "" {
					return // the others are older still
				}
				if f.wants(a, func() string { return s.numberOf(a) }) && !yield(a, nil) {
					return
				}
			}
		}
	}
}

// batches are the attempts among which f finds those it wants.
func (s *server) batches(ctx context.Context, app *gateway.AppPolicy, f filter, after *sid, few int) iter.Seq2[[]gateway.TwilioAttempt, error] {
	return func(yield func([]gateway.TwilioAttempt, error) bool) {
		if v, ok := parseSID("VE", f.Verification); ok {
			var sids [][gateway.TwilioSIDSize]byte
			for n := mostSends; n > 0; n-- {
				sids = append(sids, v.attempt(n))
			}
			if after != nil {
				sids = sids[slices.Index(sids, [gateway.TwilioSIDSize]byte(*after))+1:]
			}
			yield(s.store.Attempts(ctx, app.Name, sids...))
			return
		}
		for n := min(few, scanBatch); ; n = scanBatch {
			found, err := s.store.AttemptsAfter(ctx, app.Name, (*[gateway.TwilioSIDSize]byte)(after), f.Until, n)
			if !yield(found, err) || err != nil || len(found) < n {
				return
			}
			last := sid(found[len(found)-1].SID)
			after = &last
		}
	}
}

// numberOf is the number of an attempt, or "" if the master key that sealed it
// is gone.
func (s *server) numberOf(a gateway.TwilioAttempt) string {
	number, err := s.keys.Unseal("twilio attempt", string(a.SID[:]), a.SealedTo)
	if err != nil {
		return ""
	}
	return string(number)
}

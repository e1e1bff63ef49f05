package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"

	"denwa/gateway/phone"
)

// sealTo seals a number as "<digits of its calling code><E.164>;<extension>",
// short enough for a small hash in Redis.
func (s *Service) sealTo(id ID, n phone.Number) []byte {
	cc := len(strconv.Itoa(n.CallingCode))
	return s.keys.Seal("to", string(id), []byte(strconv.Itoa(cc)+n.E164+";"+n.Extension))
}

// sealContent seals what a caller chose to be said.
func (s *Service) sealContent(id ID, content string) []byte {
	return s.keys.Seal("content", string(id), []byte(content))
}

// content is what r's caller chose to be said; "" when that isn't kept any more.
func (s *Service) content(r *Record) (string, error) {
	if len(r.SealedContent) == 0 {
		return "", nil
	}
	plain, err := s.keys.Unseal("content", string(r.ID), r.SealedContent)
	return string(plain), err
}

// code is r's code: its caller's own, or the derived one.
func (s *Service) code(r *Record) (string, error) {
	if p, _ := r.ID.parse(); p.own {
		return s.content(r)
	}
	return s.keys.Code(r.ID, r.App), nil
}

// matches reports whether typed is the code of id. Only a code that its caller
// chose has to be read for that.
func (s *Service) matches(ctx context.Context, app *AppPolicy, id ID, typed string) (bool, error) {
	if p, _ := id.parse(); !p.own {
		return s.keys.CodeMatches(id, app.Name, typed), nil
	}
	c, err := s.read(ctx, app, id)
	if err != nil {
		return false, err
	}
	code, err := s.content(&c.Record)
	return code != "" && subtle.ConstantTimeCompare([]byte(code), []byte(typed)) == 1, err
}

// recipient is whom a record is sent to.
type recipient struct {
	e164, extension string
	callingCode     int
}

func (s *Service) unsealTo(r *Record) (to recipient, err error) {
	plain, err := s.keys.Unseal("to", string(r.ID), r.SealedTo)
	if err != nil {
		return to, err
	}
	number, extension, _ := strings.Cut(string(plain), ";")
	digits := int(number[0] - '0')
	to = recipient{e164: number[1:], extension: extension}
	if to.callingCode, err = strconv.Atoi(to.e164[1 : 1+digits]); err != nil {
		return to, errors.New("read sealed number: not a number")
	}
	return to, nil
}

// verification is c as its app sees it.
func (s *Service) verification(c Change, p *Policy) (*Verification, error) {
	r := &c.Record
	to, err := s.unsealTo(r)
	if err != nil {
		return nil, err
	}
	v := &Verification{
		ID: r.ID, App: r.App, Status: r.Status, Channel: r.Channel, Mode: r.Mode,
		To: to.e164, ToMasked: phone.Mask(to.e164, to.callingCode), Extension: to.extension,
		Country: r.Country, NumberType: r.NumberType, Locale: r.Locale, Purpose: r.Purpose,
		Origin: r.Origin, AppHash: r.AppHash, Brand: r.Brand,
		Attempts: r.Attempts, MaxAttempts: r.MaxAttempts, Sends: r.Sends, MaxSends: r.MaxSends,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, UpdatedAt: r.UpdatedAt,
		Deliveries: r.Deliveries,
	}
	if v.Status == Pending && !c.Now.Before(v.ExpiresAt) {
		v.Status, v.UpdatedAt = Expired, v.ExpiresAt // nobody has written it down yet
	}
	if len(r.SealedReference) > 0 {
		reference, err := s.keys.Unseal("reference", string(r.ID), r.SealedReference)
		if err != nil {
			return nil, err
		}
		v.Reference = string(reference)
	}
	if v.Channel == SMS {
		v.Mode = ModeCode // also when a call came first
	}
	if v.Status == Pending && v.Mode == ModeKeyed {
		v.ShownCode = s.keys.ShownCode(r.ID, r.App)
	}
	if v.Status == Pending {
		reach := phone.Number{Type: phone.Type(r.NumberType), Extension: to.extension}
		for _, ch := range []Channel{SMS, Voice} {
			if !reach.Channel(ch).Allowed {
				continue
			}
			if at := NextSend(r.State, c.Number, p.rules, ch, c.Now); !at.IsZero() {
				if v.NextSendAt == nil {
					v.NextSendAt = make(map[Channel]time.Time, 2)
				}
				v.NextSendAt[ch] = at
			}
		}
	}
	return v, nil
}

// deliveryName names the n-th delivery of id for a carrier: "vf_….1".
func deliveryName(id ID, n int) string { return string(id) + "." + strconv.Itoa(n) }

// parseDelivery reverses [deliveryName].
func parseDelivery(name string) (id ID, n int, ok bool) {
	before, after, found := strings.Cut(name, ".")
	n, err := strconv.Atoi(after)
	return ID(before), n, found && err == nil && n > 0
}

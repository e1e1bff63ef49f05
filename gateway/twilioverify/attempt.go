package twilioverify

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"denwa/gateway"
)

// attempt is Twilio's resource. What a message costs isn't known here.
type attempt struct {
	SID              string      `json:"sid"`
	AccountSID       string      `json:"account_sid"`
	ServiceSID       string      `json:"service_sid"`
	VerificationSID  string      `json:"verification_sid"`
	DateCreated      string      `json:"date_created"`
	DateUpdated      string      `json:"date_updated"`
	ConversionStatus string      `json:"conversion_status"`
	Channel          string      `json:"channel"`
	Price            *struct{}   `json:"price"`
	ChannelData      channelData `json:"channel_data"`
	URL              string      `json:"url"`
}

type channelData struct {
	To      *string `json:"to"`
	Country string  `json:"country"`
}

func (s *server) attemptBody(c *call, a gateway.TwilioAttempt) attempt {
	id := sid(a.SID)
	body := attempt{
		SID: id.text("VL"), AccountSID: c.app.Twilio.AccountSID, ServiceSID: c.app.Twilio.ServiceSID,
		VerificationSID: id.verification().text("VE"), DateCreated: date(a.CreatedAt), DateUpdated: date(a.UpdatedAt),
		ConversionStatus: conversion(a), Channel: channelText(a.Channel), ChannelData: channelData{Country: a.Country},
		URL: s.url(c, "/v2/Attempts/"+id.text("VL")),
	}
	if number := s.numberOf(a); number != "" {
		body.ChannelData.To = &number
	}
	return body
}

func (s *server) fetchAttempt(c *call) error {
	id, ok := parseSID("VL", c.Param("sid"))
	if !ok {
		return gone()
	}
	kept, err := s.store.Attempts(c.Request().Context(), c.app.Name, id)
	if err != nil {
		return &refusal{code: unavailable, retry: 2, err: err}
	}
	if len(kept) == 0 {
		return gone()
	}
	return c.JSON(http.StatusOK, s.attemptBody(c, kept[0]))
}

// meta is how Twilio's lists say where they go on.
type meta struct {
	Page            int     `json:"page"`
	PageSize        int     `json:"page_size"`
	FirstPageURL    string  `json:"first_page_url"`
	PreviousPageURL *string `json:"previous_page_url"`
	URL             string  `json:"url"`
	NextPageURL     *string `json:"next_page_url"`
	Key             string  `json:"key"`
}

// Bounds of a page, https://www.twilio.com/docs/verify/api/attempts.
const (
	usualPage   = 50
	largestPage = 1000
)

func pageSize(q url.Values) (int, error) {
	text := q.Get("PageSize")
	if text == "" {
		return usualPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > largestPage {
		return 0, refuse(invalidParameter, "`PageSize` must be 1 to %d", largestPage)
	}
	return n, nil
}

// place is a place in a list, as a PageToken holds it: sealed, because it says
// for which number the list is, and URLs are logged everywhere.
type place struct {
	Filter filter `json:"f"`
	After  []byte `json:"a,omitempty"`
	Page   int    `json:"p,omitempty"`
}

// after is the attempt behind which the place is, or nil at the beginning.
func (p place) after() *sid {
	if len(p.After) != gateway.TwilioSIDSize {
		return nil
	}
	after := sid(p.After)
	return &after
}

func (s *server) placeOf(c *call, q url.Values) (p place, err error) {
	token := q.Get("PageToken")
	if token == "" {
		p.Filter, err = s.filterOf(c, q)
		return p, err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		sealed, err = s.keys.Unseal("twilio page", c.app.Name, sealed)
	}
	if err == nil {
		err = json.Unmarshal(sealed, &p)
	}
	if err != nil {
		return p, refuse(invalidParameter, "`PageToken` is not one of this list")
	}
	return p, nil
}

func (s *server) pageURL(c *call, p place, size int) (string, error) {
	q := "?PageSize=" + strconv.Itoa(size) + "&Page=" + strconv.Itoa(p.Page)
	if p.Filter != (filter{}) || p.After != nil {
		plain, err := json.Marshal(p)
		if err != nil {
			return "", err
		}
		q += "&PageToken=" + base64.RawURLEncoding.EncodeToString(s.keys.Seal("twilio page", c.app.Name, plain))
	}
	return s.url(c, "/v2/Attempts"+q), nil
}

func (s *server) listAttempts(c *call) error {
	q := c.QueryParams()
	size, err := pageSize(q)
	if err != nil {
		return err
	}
	here, err := s.placeOf(c, q)
	if err != nil {
		return err
	}
	list, next := []attempt{}, place{}
	for a, err := range s.attempts(c.Request().Context(), c.app, here.Filter, here.after(), size+1) {
		if err != nil {
			return err
		}
		if len(list) == size { // there is one more
			next.Page = here.Page + 1
			break
		}
		list = append(list, s.attemptBody(c, a))
		next.After = a.SID[:]
	}
	m := meta{Page: here.Page, PageSize: size, Key: "attempts"}
	if m.URL, err = s.pageURL(c, here, size); err != nil {
		return err
	}
	if m.FirstPageURL, err = s.pageURL(c, place{Filter: here.Filter}, size); err != nil {
		return err
	}
	if next.Page > 0 {
		next.Filter = here.Filter
		nextURL, err := s.pageURL(c, next, size)
		if err != nil {
			return err
		}
		m.NextPageURL = &nextURL
	}
	return c.JSON(http.StatusOK, map[string]any{"attempts": list, "meta": m})
}

// summary counts the attempts that the same parameters would list.
func (s *server) summary(c *call) error {
	f, err := s.filterOf(c, c.QueryParams())
	if err != nil {
		return err
	}
	total, yes := 0, 0
	for a, err := range s.attempts(c.Request().Context(), c.app, f, nil, scanBatch) {
		if err != nil {
			return err
		}
		total++
		if a.Converted {
			yes++
		}
	}
	rate := 0.0
	if total > 0 {
		rate = 100 * float64(yes) / float64(total)
	}
	return c.JSON(http.StatusOK, map[string]any{
		"total_attempts": total, "total_converted": yes, "total_unconverted": total - yes,
		"conversion_rate_percentage": strconv.FormatFloat(rate, 'f', 2, 64),
		"url":                        s.url(c, "/v2/Attempts/Summary"),
	})
}

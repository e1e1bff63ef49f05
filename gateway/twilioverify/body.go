package twilioverify

import (
	"time"

	"denwa/gateway"
)

// date is a time in Twilio's usual form.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// statusText is what Twilio calls a state.
func statusText(s gateway.Status) string {
	switch s {
	case gateway.Failed:
		return "max_attempts_reached"
	case gateway.Denied: // the person said that they hadn't asked; nothing there is closer
		return "failed"
	case gateway.Pending, gateway.Approved, gateway.Expired, gateway.Canceled:
	}
	return string(s)
}

// verification is Twilio's resource. Fields of what this gateway hasn't are null
// or empty, as there.
type verification struct {
	SID              string            `json:"sid"`
	ServiceSID       string            `json:"service_sid"`
	AccountSID       string            `json:"account_sid"`
	To               string            `json:"to"`
	Channel          string            `json:"channel"`
	Status           string            `json:"status"`
	Valid            bool              `json:"valid"`
	Lookup           struct{}          `json:"lookup"`
	Amount           *string           `json:"amount"`
	Payee            *string           `json:"payee"`
	SendCodeAttempts []sendCodeAttempt `json:"send_code_attempts"`
	DateCreated      string            `json:"date_created"`
	DateUpdated      string            `json:"date_updated"`
	SNA              *struct{}         `json:"sna"`
	URL              string            `json:"url"`
}

type sendCodeAttempt struct {
	Time       string `json:"time"`
	Channel    string `json:"channel"`
	AttemptSID string `json:"attempt_sid"`
}

func (s *server) verificationBody(c *call, v *gateway.Verification, id sid, attempts []gateway.TwilioAttempt) verification {
	body := verification{
		SID: id.text("VE"), ServiceSID: c.app.Twilio.ServiceSID, AccountSID: c.app.Twilio.AccountSID,
		To: v.To, Channel: channelText(v.Channel), Status: statusText(v.Status), Valid: v.Status == gateway.Approved,
		SendCodeAttempts: make([]sendCodeAttempt, 0, len(attempts)),
		DateCreated:      date(v.CreatedAt), DateUpdated: date(v.UpdatedAt),
		URL: s.url(c, "/v2/Services/"+c.app.Twilio.ServiceSID+"/Verifications/"+id.text("VE")),
	}
	for _, a := range attempts {
		body.SendCodeAttempts = append(body.SendCodeAttempts, sendCodeAttempt{
			Time: a.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"), Channel: channelText(a.Channel), AttemptSID: sid(a.SID).text("VL"),
		})
	}
	return body
}

// verificationCheck is Twilio's resource.
type verificationCheck struct {
	SID                   string  `json:"sid"`
	ServiceSID            string  `json:"service_sid"`
	AccountSID            string  `json:"account_sid"`
	To                    string  `json:"to"`
	Channel               string  `json:"channel"`
	Status                string  `json:"status"`
	Valid                 bool    `json:"valid"`
	Amount                *string `json:"amount"`
	Payee                 *string `json:"payee"`
	DateCreated           string  `json:"date_created"`
	DateUpdated           string  `json:"date_updated"`
	SNAAttemptsErrorCodes []int   `json:"sna_attempts_error_codes"`
}

func checkBody(app *gateway.AppPolicy, v *gateway.Verification, valid bool) verificationCheck {
	id, _ := sidOf(v.ID)
	return verificationCheck{
		SID: id.text("VE"), ServiceSID: app.Twilio.ServiceSID, AccountSID: app.Twilio.AccountSID,
		To: v.To, Channel: channelText(v.Channel), Status: statusText(v.Status), Valid: valid,
		DateCreated: date(v.CreatedAt), DateUpdated: date(v.UpdatedAt),
	}
}

package hooks

import (
	"encoding/json"
	"time"

	"denwa/gateway"
)

// decodeZitadel reads Zitadel's HTTP provider for SMS:
// https://zitadel.com/docs/guides/manage/customize/notification-providers, and in
// its source github.com/zitadel/zitadel, internal/notification. It writes the text
// itself. A try that failed is made again with the same code; nothing else names
// the message.
func decodeZitadel(_ gateway.Hook, r *request) (order, error) {
	var body struct {
		ContextInfo struct {
			EventType            string `json:"eventType"`
			RecipientPhoneNumber string `json:"recipientPhoneNumber"`
		} `json:"contextInfo"`
		TemplateData struct {
			Text string `json:"text"`
		} `json:"templateData"`
		Args struct {
			Code   string          `json:"code"`
			OTP    string          `json:"oTP"`
			Expiry json.RawMessage `json:"expiry"`
		} `json:"args"`
	}
	if err := decodeJSON(r, &body); err != nil {
		return order{}, err
	}
	code := body.Args.Code
	if code == "" {
		code = body.Args.OTP
	}
	var expiry time.Duration // in nanoseconds, as Go writes it
	if json.Unmarshal(body.Args.Expiry, &expiry) != nil {
		expiry = 0 // not worth a message
	}
	info := body.ContextInfo
	o := order{
		to: info.RecipientPhoneNumber, text: body.TemplateData.Text,
		validFor: expiry.Truncate(time.Second),
		key:      []string{info.RecipientPhoneNumber, info.EventType, code},
	}
	if code == "" { // a notice, such as of a changed password
		o.key = append(o.key, o.text)
	}
	return o.need("contextInfo.recipientPhoneNumber", "templateData.text")
}

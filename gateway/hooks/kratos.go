package hooks

import (
	"net/http"

	"denwa/gateway"
)

// decodeKratos reads what docs/integrations/kratos.jsonnet makes of a message of
// Ory Kratos' courier: https://www.ory.sh/docs/kratos/emails-sms/sending-emails-smtp
// and in its source github.com/ory/kratos, courier/http_channel.go. Kratos writes
// the text itself, and sends no id of the message; recipient, template and code are
// the same in each try.
func decodeKratos(_ gateway.Hook, r *request) (order, error) {
	var body struct {
		To   string `json:"to"`
		Text string `json:"text"`
		Type string `json:"type"`
		Code string `json:"code"`
	}
	if err := decodeJSON(r, &body); err != nil {
		return order{}, err
	}
	o := order{to: body.To, text: body.Text, key: []string{body.To, body.Type, body.Code}}
	if body.Code == "" { // a message without a code is told by its text
		o.key = append(o.key, body.Text)
	}
	return o.need("to", "text")
}

// answerKratos answers by status. Kratos' client tries 429 and 5xx again after
// Retry-After, and everybody's messages wait meanwhile, because its courier sends
// one after the other. So what lasts, such as a limit, is neither; the courier still
// tries the message again (courier.message_retries) and then gives it up.
func answerKratos(r *result) reply {
	if r.outcome != limited && !r.keep {
		return answerJSON(r)
	}
	told := *r
	told.status, told.retryAfter = http.StatusUnprocessableEntity, 0
	return answerJSON(&told)
}

package hooks

import "denwa/gateway"

// decodeLogto reads Logto's HTTP SMS connector:
// https://docs.logto.io/integrations/http-sms, and in its source
// github.com/logto-io/logto, packages/connectors/connector-http-sms. It sends the
// value that was configured as Authorization, unchanged. Numbers come without
// their plus (its pull request 8380). It tries once. A code is made anew for each
// request, but the one of its console's test is always 000000.
//
// It shows the body of a failure.
func decodeLogto(_ gateway.Hook, r *request) (order, error) {
	var body struct {
		To      string `json:"to"`
		Type    string `json:"type"`
		IP      string `json:"ip"`
		Payload struct {
			Code   string `json:"code"`
			Locale string `json:"locale"`
		} `json:"payload"`
	}
	if err := decodeJSON(r, &body); err != nil {
		return order{}, err
	}
	o := order{
		to: body.To, international: true, code: body.Payload.Code, locale: body.Payload.Locale, clientIP: body.IP,
		key: []string{body.To, body.Type, body.Payload.Code},
	}
	return o.need("to", "payload.code")
}

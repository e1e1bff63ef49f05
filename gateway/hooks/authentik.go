package hooks

import "denwa/gateway"

// decodeAuthentik reads the generic provider of authentik's SMS stage:
// https://docs.goauthentik.io/add-secure-apps/flows-stages/stages/authenticator_sms/,
// and in its source github.com/goauthentik/authentik,
// authentik/stages/authenticator_sms/models.py. It writes the text itself, in
// Message; Body is the code alone. It tries once. While a device is set up, a
// person who gives the number again gets the same code.
//
// It shows the person the body of a failure, as it is.
func decodeAuthentik(_ gateway.Hook, r *request) (order, error) {
	var body struct {
		To, Body, Message string
	}
	if err := decodeJSON(r, &body); err != nil {
		return order{}, err
	}
	o := order{to: body.To, text: body.Message, code: body.Body, key: []string{body.To, body.Body, body.Message}}
	return o.need("To", "Message")
}

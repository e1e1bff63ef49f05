package hooks

import (
	"cmp"
	"encoding/json"
	"net/url"

	"denwa/gateway"
)

// decodeKeycloak reads the HTTP API of Keycloak's SMS authenticator by
// netzbegruenung: https://github.com/netzbegruenung/keycloak-mfa-plugins, in its
// source sms-authenticator/…/gateway/ApiSmsService.java. It sends JSON or a form
// whose field names are configured there, writes the text itself, tries once, and
// reads nothing of the answer but logs a failure's. A person who asks again gets
// the same code while it is valid (…/SmsCode.java).
func decodeKeycloak(h gateway.Hook, r *request) (order, error) {
	fields, err := keycloakFields(r)
	if err != nil {
		return order{}, err
	}
	number, message := cmp.Or(h.Fields.Number, "to"), cmp.Or(h.Fields.Message, "text")
	o := order{to: fields[number], text: fields[message]}
	o.key = []string{o.to, o.text}
	if id := fields[h.Fields.ID]; h.Fields.ID != "" && id != "" {
		o.key = append(o.key, id)
	}
	return o.need(number, message)
}

// verifyKeycloak also takes a secret in a field of the body.
func verifyKeycloak(h gateway.Hook, r *request) error {
	if h.Fields.Secret == "" {
		return verifySecret(h, r)
	}
	fields, err := keycloakFields(r)
	if given := fields[h.Fields.Secret]; err != nil || h.Secret == "" || same(given, h.Secret) != 1 {
		return errCredentials
	}
	return nil
}

// keycloakFields are the texts in a body, by name.
func keycloakFields(r *request) (map[string]string, error) {
	fields := map[string]string{}
	switch r.media() {
	case "application/json":
		var body map[string]json.RawMessage
		if err := decodeJSON(r, &body); err != nil {
			return nil, err
		}
		for name, raw := range body {
			var text string
			if json.Unmarshal(raw, &text) == nil {
				fields[name] = text
			}
		}
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(r.body))
		if err != nil {
			return nil, invalid("the body is not a form")
		}
		for name := range form {
			fields[name] = form.Get(name)
		}
	default:
		return nil, unsupported("the Content-Type must be application/json or application/x-www-form-urlencoded")
	}
	return fields, nil
}

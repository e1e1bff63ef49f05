package twilioverify

import (
	"crypto/subtle"

	"github.com/labstack/echo/v4"

	"denwa/gateway"
)

// authenticate finds out whose request it is. The password is an API key
// without its prefix, for client libraries let nothing but letters and digits
// through. The user name is the app's account, or as with Twilio's own API keys
// the SID of one, "SK" and any 32 digits: there is none here to compare.
func (s *server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		r := ec.Request()
		user, password, ok := r.BasicAuth()
		if !ok || len(r.Header["Authorization"]) != 1 {
			return refuse(badCredentials, "send HTTP Basic credentials: the account SID and an API key without dnw_")
		}
		app, keyID, ok := s.verifier.Policy().Authenticate(gateway.APIKeyPrefix + password)
		if !ok {
			return &refusal{code: badCredentials}
		}
		_, byKey := parseSID("SK", user)
		_, byAccount := parseSID("AC", user)
		account := app.Twilio.AccountSID
		if app.Twilio.Enabled() {
			byAccount = subtle.ConstantTimeCompare([]byte(user), []byte(account)) == 1
		}
		if !byKey && !byAccount {
			return &refusal{code: badCredentials}
		}
		if d := s.rate.Allow(app.Name + "/" + keyID); !d.Allowed {
			s.verifier.Limited(app, d.Limit)
			return &refusal{code: tooManyRequests, detail: "the limit " + string(d.Limit), retry: d.RetryAfter.Seconds()}
		}
		if !app.Twilio.Enabled() {
			return refuse(notFound, "this app has no Twilio Verify service configured")
		}
		return next(&call{Context: ec, app: app})
	}
}

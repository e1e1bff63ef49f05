package hooks

import (
	"net/http"

	"denwa/gateway"
)

// decodeSupabase reads Supabase Auth's Send SMS hook:
// https://supabase.com/docs/guides/auth/auth-hooks/send-sms-hook, and in its
// source github.com/supabase/auth, internal/hooks/v0hooks/v0hooks.go. Numbers come
// without their plus. Older releases send no metadata, and the number only as
// the user's.
//
// It retries with a new webhook-id, so the id of the body names the message.
func decodeSupabase(_ gateway.Hook, r *request) (order, error) {
	var body struct {
		Metadata struct {
			UUID      string `json:"uuid"`
			IPAddress string `json:"ip_address"`
		} `json:"metadata"`
		User struct {
			Phone string `json:"phone"`
		} `json:"user"`
		SMS struct {
			OTP   string `json:"otp"`
			Phone string `json:"phone"`
		} `json:"sms"`
	}
	if err := decodeJSON(r, &body); err != nil {
		return order{}, err
	}
	// When a number is changed, user.phone is still the old one.
	to := body.SMS.Phone
	if to == "" {
		to = body.User.Phone
	}
	o := order{
		to: to, international: true, code: body.SMS.OTP, clientIP: body.Metadata.IPAddress,
		key: []string{body.Metadata.UUID, to, body.SMS.OTP},
	}
	return o.need("sms.phone", "sms.otp")
}

// answerSupabase answers as internal/hooks/v0hooks/v0http/v0http.go there reads
// it. Of any status but 200, 202 and 204 it reads no body, and the person sees an
// internal error; so what a person can do something about is a 200 with an error
// in it, which Supabase passes on with its http_code and message. 429 and 503 it
// tries again at once if there is a Retry-After, and at most three times in
// five seconds in all: that is for what passes quickly, not for a limit.
func answerSupabase(r *result) reply {
	type failure struct {
		HTTPCode int    `json:"http_code"`
		Message  string `json:"message"`
	}
	body := map[string]failure{"error": {r.status, r.words()}}
	switch r.outcome {
	case sent, repeated:
		return jsonReply(http.StatusOK, struct{}{})
	case refused, limited, undelivered:
		return jsonReply(http.StatusOK, body)
	case unavailable:
		out := jsonReply(http.StatusServiceUnavailable, body)
		out.retryAfter = max(1, r.seconds())
		return out
	case unauthorized, malformed:
	}
	return jsonReply(r.status, body)
}

package hooks

import (
	"net/http"
	"strings"

	"denwa/gateway"
	"denwa/providers"
)

// decodeOkta reads Okta's telephony inline hook:
// https://developer.okta.com/docs/reference/telephony-hook/. msgTemplate is the
// whole text, with the code in it; a call has none. Okta waits three seconds and
// tries once more if it hears nothing; both tries are for the same request of the
// person's browser.
func decodeOkta(_ gateway.Hook, r *request) (order, error) {
	var body struct {
		EventID string `json:"eventId"`
		Data    struct {
			Context struct {
				Request struct {
					ID        string `json:"id"`
					IPAddress string `json:"ipAddress"`
				} `json:"request"`
			} `json:"context"`
			MessageProfile struct {
				MsgTemplate     string `json:"msgTemplate"`
				PhoneNumber     string `json:"phoneNumber"`
				OTPExpires      string `json:"otpExpires"`
				DeliveryChannel string `json:"deliveryChannel"`
				OTPCode         string `json:"otpCode"`
				Locale          string `json:"locale"`
			} `json:"messageProfile"`
		} `json:"data"`
	}
	if err := decodeJSON(r, &body); err != nil {
		return order{}, err
	}
	m := body.Data.MessageProfile
	o := order{
		to: m.PhoneNumber, text: m.MsgTemplate, code: m.OTPCode, locale: m.Locale,
		validFor: until(m.OTPExpires, r.at), clientIP: body.Data.Context.Request.IPAddress,
	}
	switch channel := strings.ToUpper(m.DeliveryChannel); {
	case channel == "SMS":
	case channel == "CALL", strings.HasPrefix(channel, "VOICE"): // the page said CALL, and says "voice call" now
		o.call, o.text = true, ""
	default:
		return o, invalid("data.messageProfile.deliveryChannel must be SMS or voice call")
	}
	request := body.Data.Context.Request.ID
	if request == "" {
		request = body.EventID
	}
	o.key = []string{request, m.DeliveryChannel, m.PhoneNumber, m.OTPCode}
	return o.need("data.messageProfile.phoneNumber", "data.messageProfile.otpCode")
}

// answerOkta answers as the page says: 200 with a command, or 200 with an error,
// which is shown to the person. After any other status Okta sends the code by a
// provider of its own, so that is for when nothing was sent, and nobody decided
// that nothing may be. After an error it did not when the page was first read,
// and does as the page is now; so what may have been sent is PENDING.
func answerOkta(r *result) reply {
	type cause struct {
		ErrorSummary string `json:"errorSummary"`
		Reason       string `json:"reason"`
	}
	type failure struct {
		ErrorSummary string  `json:"errorSummary"`
		ErrorCauses  []cause `json:"errorCauses"`
	}
	status := "SUCCESSFUL"
	unclear := r.code == gateway.CodeDeliveryFailed && r.keep && providers.KindOf(r.cause) == providers.Ambiguous
	if unclear {
		status = "PENDING"
	}
	if r.outcome == sent || unclear {
		type value struct {
			Status        string     `json:"status"`
			Provider      string     `json:"provider"`
			TransactionID gateway.ID `json:"transactionId"`
		}
		type command struct {
			Type  string  `json:"type"`
			Value []value `json:"value"`
		}
		return jsonReply(http.StatusOK, map[string][]command{"commands": {{
			"com.okta.telephony.action", []value{{status, r.provider, r.id}},
		}}})
	}
	code := r.status
	if r.outcome == refused || r.outcome == limited || r.keep {
		code = http.StatusOK
	}
	out := jsonReply(code, map[string]failure{"error": {r.words(), []cause{{string(r.code), r.message}}}})
	if code != http.StatusOK {
		out.retryAfter = r.seconds()
	}
	return out
}

package gateway_test

import (
	"strings"
	"testing"

	"denwa/gateway"
)

func TestTwilioConfig(t *testing.T) {
	const digits = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		twilio gateway.TwilioVerify
		want   string // the fields at fault
	}{
		{gateway.TwilioVerify{}, ""},
		{gateway.TwilioVerify{AccountSID: "AC" + digits, ServiceSID: "VA" + digits}, ""},
		{gateway.TwilioVerify{AccountSID: "AC" + digits}, "service_sid"},
		{gateway.TwilioVerify{ServiceSID: "VA" + digits}, "account_sid"},
		{gateway.TwilioVerify{AccountSID: "VA" + digits, ServiceSID: "AC" + digits}, "account_sid service_sid"},
		{gateway.TwilioVerify{AccountSID: "AC" + strings.ToUpper(digits), ServiceSID: "VA" + digits + "0"}, "account_sid service_sid"},
		{gateway.TwilioVerify{AccountSID: "AC" + digits[1:], ServiceSID: "VA" + digits[1:] + "g"}, "account_sid service_sid"},
	} {
		var fields []string
		c.twilio.Validate(func(field, _ string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.twilio, got, c.want)
		}
	}
}

package gateway

// TwilioVerify turns on the Twilio Verify dialect for an app.
type TwilioVerify struct {
	// Account SID that requests name and sign in with: "AC" and 32 hexadecimal digits.
	AccountSID string `yaml:"account_sid"`
	// Service SID that stands for the app: "VA" and 32 hexadecimal digits.
	ServiceSID string `yaml:"service_sid"`
}

// Enabled reports whether the app speaks the dialect.
func (t TwilioVerify) Enabled() bool { return t != TwilioVerify{} }

// Validate reports every mistake in t.
func (t TwilioVerify) Validate(report func(field, problem string)) {
	if !t.Enabled() {
		return
	}
	if !isSID(t.AccountSID, "AC") {
		report("account_sid", `must be "AC" and 32 hexadecimal digits; any will do`)
	}
	if !isSID(t.ServiceSID, "VA") {
		report("service_sid", `must be "VA" and 32 hexadecimal digits; any will do`)
	}
}

func isSID(s, prefix string) bool {
	if len(s) != len(prefix)+32 || s[:len(prefix)] != prefix {
		return false
	}
	for _, c := range []byte(s[len(prefix):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

package twilio

import (
	"net/http"
	"testing"

	"denwa/providers"
)

// The codes whose meaning the router's policy rests on.
func TestCodesThatDecideFailover(t *testing.T) {
	for kind, codes := range map[providers.Kind][]int{
		providers.Invalid:     {21211, 21214, 21217, 21614, 21610, 21635, 30003, 30004, 30005, 30006, 13223, 13224, 21202},
		providers.Unavailable: {21408, 21612, 30007, 30008, 30034, 13227, 21210, 21215, 21219},
		providers.Throttled:   {20429, 30001, 10004},
		providers.Rejected:    {30450, 60410},
		providers.Auth:        {20003, 20404},
	} {
		for _, code := range codes {
			if got := refused(http.StatusBadRequest, code, 0); got.Kind != kind {
				t.Errorf("%d is %s, want %s", code, got.Kind, kind)
			}
			if got := failedAtOnce(code); got.Kind != kind {
				t.Errorf("%d in a failed message is %s, want %s", code, got.Kind, kind)
			}
		}
	}
}

func TestEveryCodeOnTheWire(t *testing.T) {
	fake, p := start(t)
	for code, want := range failures {
		fake.fail(func(w http.ResponseWriter, _ *http.Request) {
			fake.refuse(w, apiError{http.StatusBadRequest, code, "about " + testNumber + ": " + testText})
		})
		_, err := p.SendMessage(t.Context(), testMessage())
		if got := failureOf(t, err); got.Kind != want.kind || got.Code != codeText(code) {
			t.Errorf("%d: %v, want %s", code, err, want.kind)
		}
		if want.kind == providers.Ambiguous || want.what == "" {
			t.Errorf("%d: an answer with a code is never ambiguous and always has words, got %+v", code, want)
		}
	}
}

func TestMessageStatus(t *testing.T) {
	tests := []struct {
		status string
		code   int
		want   providers.Status
		known  bool
	}{
		{"accepted", 0, providers.Accepted, true},
		{"scheduled", 0, providers.Accepted, true},
		{"queued", 0, providers.Accepted, true},
		{"sending", 0, providers.Accepted, true},
		{"sent", 0, providers.Sent, true},
		{"partially_delivered", 0, providers.Sent, true},
		{"delivered", 0, providers.Delivered, true},
		{"read", 0, providers.Delivered, true},
		{"undelivered", 30003, providers.Undelivered, true},
		{"undelivered", 30036, providers.Expired, true},
		{"failed", 30001, providers.Failed, true},
		{"failed", 30036, providers.Expired, true},
		{"canceled", 0, providers.Failed, true},
		{"received", 0, providers.Accepted, false},
		{"Delivered", 0, providers.Accepted, false},
		{"", 0, providers.Accepted, false},
	}
	for _, tt := range tests {
		if got, known := messageStatus(tt.status, tt.code); got != tt.want || known != tt.known {
			t.Errorf("messageStatus(%q, %d) = %s, %v, want %s, %v", tt.status, tt.code, got, known, tt.want, tt.known)
		}
	}
}

func TestCallStatus(t *testing.T) {
	for _, tt := range []struct {
		status, sip string
		machine     bool
		want        providers.Status
		known       bool
	}{
		{"queued", "", false, providers.Accepted, true},
		{"initiated", "", false, providers.Accepted, true},
		{"ringing", "", false, providers.Ringing, true},
		{"in-progress", "200", false, providers.Answered, true},
		{"in-progress", "200", true, providers.Answered, true},
		{"completed", "200", false, providers.HungUp, true},
		{"completed", "200", true, providers.Machine, true},
		{"busy", "600", false, providers.Busy, true},
		{"busy", "603", false, providers.Declined, true},
		{"failed", "404", false, providers.Unreachable, true},
		{"failed", "484", false, providers.Unreachable, true},
		{"failed", "604", false, providers.Unreachable, true},
		{"failed", "503", false, providers.Failed, true},
		{"no-answer", "480", false, providers.NoAnswer, true},
		{"canceled", "", false, providers.Failed, true},
		{"answered", "", false, providers.Accepted, false},
		{"", "", false, providers.Accepted, false},
	} {
		if got, known := callStatus(tt.status, tt.sip, tt.machine); got != tt.want || known != tt.known {
			t.Errorf("callStatus(%q, %q, %v) = %s, %v, want %s, %v", tt.status, tt.sip, tt.machine, got, known, tt.want, tt.known)
		}
	}
}

package entra

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/providers"
)

// TestReplies: only what was taken is 200, only what may do better is tried
// again, and the guides explain each outcome.
func TestReplies(t *testing.T) {
	taken := map[outcome]bool{accepted: true, repeated: true, evaluated: true, evaluatedRefused: true}
	again := map[outcome]bool{limited: true, late: true, unavailable: true, internal: true}
	var guides [2]string
	for i, name := range []string{"entra.md", "entra.ja.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		guides[i] = string(text)
	}
	for _, o := range outcomes() {
		status, name := o.reply()
		if (status == http.StatusOK) != taken[o] || (name == "") != taken[o] {
			t.Errorf("%s: %d %q", o, status, name)
		}
		if o.final() == again[o] {
			t.Errorf("%s: final %t", o, o.final())
		}
		for _, guide := range guides {
			if o != internal && !strings.Contains(guide, "`"+string(o)+"`") {
				t.Errorf("a guide doesn't explain %s", o)
			}
		}
	}
}

func TestDispatched(t *testing.T) {
	of := func(status providers.Status) *gateway.Dispatch { return &gateway.Dispatch{Status: status} }
	code := func(c gateway.Code) error { return &gateway.Error{Code: c} }
	for _, tt := range []struct {
		d    *gateway.Dispatch
		err  error
		want outcome
	}{
		{of(providers.Accepted), nil, accepted},
		{of(providers.Delivered), nil, accepted},
		{of(providers.Failed), nil, failed}, // the same seed again, after an instance died
		{nil, code(gateway.CodeInvalidNumber), undeliverable},
		{nil, code(gateway.CodeInvalidRequest), undeliverable},
		{nil, code(gateway.CodeChannelNotAvailable), undeliverable},
		{nil, code(gateway.CodeNumberNotAllowed), blocked},
		{nil, code(gateway.CodeCountryNotAllowed), blocked},
		{nil, code(gateway.CodeBlocked), blocked},
		{nil, code(gateway.CodeRateLimited), limited},
		{nil, code(gateway.CodeUnavailable), unavailable},
		{nil, code(gateway.CodeIdempotencyConflict), late},
		{nil, code(gateway.CodeDeliveryFailed), timedOut}, // nobody knows
		{nil, &gateway.Error{Code: gateway.CodeDeliveryFailed, Err: &providers.Error{Kind: providers.Auth}}, credentials},
		{nil, code(gateway.CodeForbidden), internal},
		{nil, errors.New("x"), internal},
		{nil, context.Canceled, internal},
	} {
		if got := dispatched(tt.d, tt.err); got != tt.want {
			t.Errorf("%v, %v: %s, want %s", tt.d, tt.err, got, tt.want)
		}
	}
}

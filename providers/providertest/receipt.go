package providertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

// maxRead is what a callback handler may read of a body at most.
const maxRead = 1 << 20

// reports is whether the harness can make the carrier report.
func (s *subject) reports() bool { return s.harness.Callback != nil || s.harness.Report != nil }

// report makes the carrier report, and returns whether it may forget about it.
func (s *subject) report(t *testing.T, sent Sent, status providers.Status) (taken bool) {
	t.Helper()
	if s.harness.Callback == nil {
		return s.harness.Report(t, s.Provider, sent, status)
	}
	answer := s.callback(t, s.harness.Callback(t, s.Provider, sent, status))
	switch {
	case answer.Code >= 200 && answer.Code <= 299:
		return true
	case answer.Code < 500:
		t.Errorf("the callback was answered with %d, which no carrier repeats", answer.Code)
	}
	return false
}

// callback is the handler's answer to r.
func (s *subject) callback(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	c, ok := s.Provider.(providers.Callbacks)
	if !ok {
		t.Fatalf("%T has no Callbacks", s.Provider)
	}
	answer := httptest.NewRecorder()
	c.Callbacks().ServeHTTP(answer, r)
	s.private(t, "the answer to a callback", answer.Body.String())
	return answer
}

// testReceipts: each report reaches the receiver as it is, in whatever order
// the carrier makes them and how often; and the carrier is told to repeat what
// the receiver couldn't take.
func testReceipts(t *testing.T, h Harness) {
	if len(h.Statuses) == 0 || (h.Callback == nil) == (h.Report == nil) {
		t.Fatal(`Harness needs Statuses, and one of Callback and Report; if the carrier doesn't report, skip "receipts"`)
	}
	backwards := slices.Clone(h.Statuses)
	slices.Reverse(backwards)
	for _, test := range []struct {
		name  string
		order []providers.Status
	}{
		{"in order", h.Statuses},
		{"backwards", backwards},
		{"repeated", slices.Concat(h.Statuses, h.Statuses, backwards)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, h, Accept)
			sent := s.accept(t, message(1))
			for _, status := range test.order {
				if !s.report(t, sent, status) {
					t.Errorf("the report of %s was refused", status)
				}
				want := []receipt{{s.Name(), providers.Receipt{Delivery: sent.Delivery, Status: status}}}
				got := s.receipts.take()
				for i := range got {
					s.private(t, "the receipt's code", got[i].Code)
					got[i].Code, got[i].Kind = "", "" // the carrier's own, and what it means
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("receipts after the report of %s (-want +got):\n%s", status, diff)
				}
			}
		})
	}
	t.Run("receiver fails", func(t *testing.T) {
		s := open(t, h, Accept)
		sent := s.accept(t, message(1))
		final := h.Statuses[len(h.Statuses)-1]
		s.receipts.fail(true)
		if s.report(t, sent, final) {
			t.Error("the carrier believes that a receipt was taken, which is lost")
		}
		s.receipts.fail(false)
		if !s.report(t, sent, final) {
			t.Error("the repeated report was refused")
		}
		if got := s.receipts.take(); len(got) != 1 || got[0].Status != final {
			t.Errorf("receipts after the repeated report: %v", got)
		}
	})
}

// testForgedCallback: who isn't the carrier learns and changes nothing.
func testForgedCallback(t *testing.T, h Harness) {
	if h.Callback == nil || len(h.Forgeries) == 0 || len(h.Statuses) == 0 {
		t.Fatal(`Harness needs Callback, Forgeries and Statuses; if no carrier calls back by HTTP, skip "forged callback"`)
	}
	s := open(t, h, Accept)
	sent := s.accept(t, message(1))
	status := h.Statuses[0]
	for name, forge := range h.Forgeries {
		t.Run(name, func(t *testing.T) {
			r := h.Callback(t, s.Provider, sent, status)
			forge(r)
			plausible := s.callback(t, r)
			if plausible.Code != http.StatusUnauthorized && plausible.Code != http.StatusForbidden {
				t.Errorf("answered with %d", plausible.Code)
			}
			// What would fail to parse is refused in the same way.
			r = h.Callback(t, s.Provider, sent, status)
			setBody(r, strings.NewReader("%zz\x00{[<"))
			forge(r)
			garbage := s.callback(t, r)
			if garbage.Code != plausible.Code || garbage.Body.String() != plausible.Body.String() {
				t.Errorf("garbage is answered with %d %q, a plausible report with %d %q: parsed before it was checked",
					garbage.Code, garbage.Body, plausible.Code, plausible.Body)
			}
		})
	}
	t.Run("endless body", func(t *testing.T) {
		r := h.Callback(t, s.Provider, sent, status)
		body := &endless{}
		setBody(r, body)
		if answer := s.callback(t, r); answer.Code < 400 || answer.Code > 499 {
			t.Errorf("answered with %d", answer.Code)
		}
		if body.read > maxRead {
			t.Errorf("read %d bytes", body.read)
		}
	})
	if got := s.receipts.take(); len(got) > 0 {
		t.Errorf("forged reports reached the receiver: %v", got)
	}
}

func setBody(r *http.Request, body io.Reader) {
	r.Body = io.NopCloser(body)
	r.ContentLength = -1
}

// endless is a body without an end, up to a point.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 4*maxRead {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'a'
	}
	e.read += len(p)
	return len(p), nil
}

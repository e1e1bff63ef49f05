package webhook

import (
	"encoding/json"
	"testing"
	"time"

	"denwa/gateway"
)

// TestSignatureOfTheSpecification is the example of Standard Webhooks' own libraries.
func TestSignatureOfTheSpecification(t *testing.T) {
	w := gateway.Webhook{Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	got := sign(w.Keys(), "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPayload(t *testing.T) {
	n := gateway.Notification{Type: "verification.approved", At: time.UnixMicro(1775044800123456)}
	got, err := payload(n, json.RawMessage(`{"id":"vf_1","to":"+819012345678"}`))
	want := `{"type":"verification.approved","timestamp":"2026-04-01T12:00:00.123Z","data":{"id":"vf_1","to":"+819012345678"}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if _, err := payload(n, json.RawMessage(`{"id":`)); err == nil {
		t.Error("data that is not JSON is let through")
	}
}

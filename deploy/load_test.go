package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/config"
)

// traffic is requests of every kind that the metrics tell of.
type traffic struct {
	t      *testing.T
	server string
	mu     sync.Mutex
	phones int
}

// number is a phone that nobody was verified for yet.
func (l *traffic) number() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phones++
	return fmt.Sprintf("+8190%08d", 10_000_000+l.phones)
}

// run makes traffic until ctx ends.
func (l *traffic) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, scene := range []func(context.Context){
		l.approved, l.wrong, l.limited, l.undelivered, l.failedOver, l.refused, l.confirmed, l.busy, l.watched, l.hooked,
	} {
		wg.Go(func() {
			for ctx.Err() == nil {
				scene(ctx)
				select {
				case <-ctx.Done():
				case <-time.After(200 * time.Millisecond):
				}
			}
		})
	}
	wg.Wait()
}

func (l *traffic) approved(ctx context.Context) {
	number := l.number()
	id := l.begin(ctx, number, "sms")
	l.post(ctx, "/v1/verifications/"+id+"/check", `{"code":"`+l.code(ctx, number)+`"}`)
}

func (l *traffic) wrong(ctx context.Context) {
	number := l.number()
	id := l.begin(ctx, number, "sms")
	guess := "000000"
	if l.code(ctx, number) == guess {
		guess = "000001"
	}
	l.post(ctx, "/v1/verifications/"+id+"/check", `{"code":"`+guess+`"}`)
	l.post(ctx, "/v1/verifications/"+id+"/cancel", "")
}

func (l *traffic) limited(ctx context.Context) {
	number := l.number()
	l.begin(ctx, number, "sms")
	l.begin(ctx, number, "sms")
}

func (l *traffic) undelivered(ctx context.Context) {
	l.begin(ctx, l.behaving(ctx, `{"sms":"undelivered"}`), "sms")
}

func (l *traffic) failedOver(ctx context.Context) {
	l.begin(ctx, l.behaving(ctx, `{"error":"auth"}`), "sms")
	l.begin(ctx, l.behaving(ctx, `{"error":"throttled"}`), "sms")
}

// refused is a start that no carrier takes: 502.
func (l *traffic) refused(ctx context.Context) {
	l.begin(ctx, l.behaving(ctx, `{"error":"rejected"}`), "sms")
}

func (l *traffic) confirmed(ctx context.Context) {
	number := l.number()
	l.begin(ctx, number, "voice")
	for range 20 { // it rings a moment later
		var calls []struct{ ID string }
		if json.Unmarshal(l.get(ctx, "/sandbox/api/phones/"+number+"/calls"), &calls) == nil && len(calls) > 0 {
			l.post(ctx, "/sandbox/api/calls/"+calls[0].ID+"/answer", "{}")
			l.post(ctx, "/sandbox/api/calls/"+calls[0].ID+"/press", `{"digits":"#"}`)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (l *traffic) busy(ctx context.Context) {
	l.begin(ctx, l.behaving(ctx, `{"voice":"busy"}`), "voice")
}

// watched is waited for both ways.
func (l *traffic) watched(ctx context.Context) {
	id := l.begin(ctx, l.number(), "sms")
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	l.get(ctx, "/v1/verifications/"+id+"?wait=1")
	l.get(ctx, "/v1/verifications/"+id+"/events")
}

// hooked are requests of login services, with and without what they should bring.
func (l *traffic) hooked(ctx context.Context) {
	l.post(ctx, "/hooks/portal/kratos", `{"to":"+819012345678","body":"123456"}`)
	l.post(ctx, "/entra/portal/api/SendOtp", `{}`)
}

func (l *traffic) begin(ctx context.Context, number, channel string) (id string) {
	var v struct{ ID string }
	_ = json.Unmarshal(l.post(ctx, "/v1/verifications", `{"to":"`+number+`","channel":"`+channel+`"}`), &v) // or it was refused
	return v.ID
}

func (l *traffic) behaving(ctx context.Context, behaviour string) (number string) {
	number = l.number()
	l.post(ctx, "/sandbox/api/phones/"+number+"/behaviour", behaviour)
	return number
}

// code is the one in the last message on a phone.
func (l *traffic) code(ctx context.Context, number string) string {
	return string(regexp.MustCompile(`\b\d{6}\b`).Find(l.get(ctx, "/sandbox/api/phones/"+number+"/messages")))
}

func (l *traffic) get(ctx context.Context, path string) []byte {
	return l.do(ctx, http.MethodGet, path, "")
}

func (l *traffic) post(ctx context.Context, path, body string) []byte {
	return l.do(ctx, http.MethodPost, path, body)
}

func (l *traffic) do(ctx context.Context, method, path, body string) []byte {
	r, err := http.NewRequestWithContext(ctx, method, l.server+path, strings.NewReader(body))
	if err != nil {
		l.t.Error(err)
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+config.PlaygroundKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil // ctx is over: what the traffic does is seen in the metrics
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // a stream is cut off by ctx
	return b
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/providers/providertest"
	"denwa/ratelimit/redistest"
)

const testWebhookSecret = "whsec_dGhpcnR5LXR3byBieXRlcywgbm90IGEgc2VjcmV0IQ=="

// receiver takes events, once it is willing.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	status  int
	arrived map[string]string // what happened, by event id
}

func newReceiver(t *testing.T, status int) *receiver {
	t.Helper()
	r := &receiver{status: status, arrived: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(q.Body)
		var event struct {
			Type string
			Data struct{ Status string }
		}
		if err := json.Unmarshal(body, &event); err != nil || q.Header.Get("webhook-signature") == "" {
			t.Errorf("%s: %v", body, err)
		}
		if r.status < 300 {
			r.arrived[q.Header.Get("webhook-id")] = event.Type + " " + event.Data.Status
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

// events are what has arrived, sorted.
func (r *receiver) events() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, e := range r.arrived {
		all = append(all, e)
	}
	slices.Sort(all)
	return all
}

func (r *receiver) await(t *testing.T, want ...string) {
	t.Helper()
	for range 500 {
		if slices.Equal(r.events(), want) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("events %q, want %q", r.events(), want)
}

// TestEventsReachTheApp follows verifications by what their app is told.
func TestEventsReachTheApp(t *testing.T) {
	redis, hook := redistest.Start(t), newReceiver(t, http.StatusNoContent)
	c := redisConfig(t, redis.Addr(), fmt.Sprintf("    webhook: {url: %q, secret: %q, allow_private: true}\n", hook.URL, testWebhookSecret))
	g := serving(t, "--config", c.path)
	approved := g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`)
	hook.await(t, "verification.created pending", "verification.delivered pending", "verification.sent pending")
	g.post(t, "/v1/verifications/"+approved.text("id")+"/check", `{"code":"`+codeSent(t, g.server, "+819011112222")+`"}`)
	canceled := g.post(t, "/v1/verifications", `{"to":"090-3333-4444"}`)
	g.post(t, "/v1/verifications/"+canceled.text("id")+"/cancel", "")
	hook.await(t,
		"verification.approved approved", "verification.canceled canceled",
		"verification.created pending", "verification.created pending",
		// A receipt may come before or after the cancel; then it tells of what is canceled.
		hook.delivered("delivered"), "verification.delivered pending",
		hook.delivered("sent"), "verification.sent pending")
}

// delivered is how the receipt of a verification that was canceled shows it.
func (r *receiver) delivered(what string) string {
	for range 500 {
		e := r.events()
		if i := slices.Index(e, "verification."+what+" canceled"); i >= 0 {
			return e[i]
		}
		if n := strings.Count(strings.Join(e, "\n"), "verification."+what+" pending"); n == 2 {
			return "verification." + what + " pending"
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "verification." + what + " never"
}

// TestDeadLetters: what a receiver has gone for is listed, and sent again when asked.
func TestDeadLetters(t *testing.T) {
	server, hook := redistest.Start(t), newReceiver(t, http.StatusGone)
	c := redisConfig(t, server.Addr(), fmt.Sprintf("    webhook: {url: %q, secret: %q, allow_private: true}\n", hook.URL, testWebhookSecret))
	g := serving(t, "--config", c.path)
	g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`)
	list := func() string {
		out, err := command(t, "webhook", "list", "--config", c.path, "--app", "portal").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	for range 300 {
		if strings.Count(list(), "\n") == 3 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if out := list(); strings.Count(out, "msg_") != 3 || !strings.Contains(out, "verification.created") {
		t.Fatalf("listed:\n%s", out)
	}
	hook.mu.Lock()
	hook.status = http.StatusOK
	hook.mu.Unlock()
	if out, err := command(t, "webhook", "replay", "--config", c.path, "--app", "portal", "--all").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	hook.await(t, "verification.created pending", "verification.delivered pending", "verification.sent pending")
	if out := list(); out != "" {
		t.Errorf("still listed:\n%s", out)
	}
}

// TestReplayOfAllDeadLetters: all are more than are listed, and two operators who send
// them again at once don't stop each other.
func TestReplayOfAllDeadLetters(t *testing.T) {
	server, hook := redistest.Start(t), newReceiver(t, http.StatusGone)
	c := redisConfig(t, server.Addr(), fmt.Sprintf("    webhook: {url: %q, secret: %q, allow_private: true}\n", hook.URL, testWebhookSecret))
	g := serving(t, "--config", c.path)
	g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	ctx := t.Context()
	var dead []string
	for range 1200 {
		if dead = client.Keys(ctx, "*:d:portal").Val(); len(dead) == 1 && client.ZCard(ctx, dead[0]).Val() == 3 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(dead) != 1 {
		t.Fatalf("dead letters are at %q", dead)
	}
	g.stop(t) // nobody takes what is put back
	<-g.ended
	known := client.ZRange(ctx, dead[0], 0, 0).Val()[0]
	key := strings.TrimSuffix(dead[0], "d:portal") + "e:"
	for i := range 1200 {
		another := fmt.Sprintf("%s%04d", known, i)
		client.Copy(ctx, key+known, key+another, 0, true)
		client.ZAdd(ctx, dead[0], redis.Z{Score: float64(i), Member: another})
	}

	list := command(t, "webhook", "list", "--config", c.path, "--app", "portal")
	var out, errs strings.Builder
	list.Stdout, list.Stderr = &out, &errs
	if err := list.Run(); err != nil || strings.Count(out.String(), "msg_") != mostDeadLetters || !strings.Contains(errs.String(), "there may be more") {
		t.Errorf("list: %v, %d events, %q", err, strings.Count(out.String(), "msg_"), errs.String())
	}
	var operators sync.WaitGroup
	for range 2 {
		replay := command(t, "webhook", "replay", "--config", c.path, "--app", "portal", "--all")
		operators.Go(func() {
			if out, err := replay.CombinedOutput(); err != nil {
				t.Errorf("replay: %v: %s", err, out)
			}
		})
	}
	operators.Wait()
	if left := client.ZCard(ctx, dead[0]).Val(); left != 0 {
		t.Errorf("%d events weren't sent again", left)
	}
}

// TestVerifyByCall: a phone rings, "#" is pressed, and the command that waits ends.
func TestVerifyByCall(t *testing.T) {
	g := serving(t)
	for _, end := range []struct {
		name, number, keys string
		code               int
		out                string
	}{
		{"confirmed", "+819012345678", "#", exitOK, "approved +81 90-****-5678\n"},
		{"denied", "+818012345678", "0#", exitNo, "denied +81 80-****-5678\n"},
	} {
		t.Run(end.name, func(t *testing.T) {
			c := command(t, "verify", end.number, "--channel", "voice", "--server", g.server)
			out, said := &providertest.Log{}, &providertest.Log{}
			c.Stdout, c.Stderr = out, said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			call := g.phoneCall(t, end.number, "ringing", false)
			said.Await(t, "Ringing")
			g.keys(t, call, "answer", "")
			said.Await(t, "Answered")
			for _, key := range end.keys {
				g.phoneCall(t, end.number, "answered", true)
				g.keys(t, call, "press", fmt.Sprintf(`{"digits":"%c"}`, key))
			}
			_ = c.Wait() // the exit code tells
			if got := c.ProcessState.ExitCode(); got != end.code || out.String() != end.out {
				t.Errorf("exit code %d, output %q, and it said %q", got, out, said)
			}
		})
	}
}

// phoneCall waits until the latest call to number has a status.
func (r *running) phoneCall(t *testing.T, number, status string, listening bool) (id string) {
	t.Helper()
	for range 500 {
		resp, err := http.Get(r.server + "/sandbox/api/phones/" + number + "/calls")
		if err != nil {
			t.Fatal(err)
		}
		var calls []struct {
			ID, Status string
			Listening  bool
		}
		err = json.NewDecoder(resp.Body).Decode(&calls)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(calls); n > 0 && calls[n-1].Status == status && calls[n-1].Listening == listening {
			return calls[n-1].ID
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no call to that number became %s", status)
	return ""
}

func (r *running) keys(t *testing.T, call, what, body string) {
	t.Helper()
	resp, err := http.Post(r.server+"/sandbox/api/calls/"+call+"/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %d %s", what, resp.StatusCode, text)
	}
}

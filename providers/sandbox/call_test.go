package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/ivr"
	"denwa/providers"
)

// Script is for carriers that call back.
func (g *gateway) Script(context.Context, string) (ivr.Script, error) {
	return ivr.Script{}, providers.ErrNoCall
}

// Press judges as if 012345 were on the screen.
func (g *gateway) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return "", errors.New("the switchboard's context has no deadline")
	}
	time.Sleep(g.deaf)
	if err := sleep(ctx, g.slow); err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, provider+" "+delivery+" "+keys)
	switch {
	case g.blind != nil:
		return "", g.blind
	case keys == string(ivr.AskDeny):
		return ivr.Denied, nil
	case keys == string(ivr.AskApprove), keys == "012345":
		return ivr.Approved, nil
	case keys == "000000":
		return ivr.Over, nil
	}
	return ivr.Wrong, nil
}

func (g *gateway) wasAsked() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// callOf is a call of the mode to the phone of these tests.
func callOf(mode ivr.Mode, locale string) providers.Call {
	s := ivr.Script{Mode: mode, Locale: locale}
	switch mode {
	case ivr.ModeCode:
		s.Code = "012345"
	case ivr.ModeKeyed:
		s.Digits = 6
	case ivr.ModeMessage:
		s.Message = "Your code is 012345."
	case ivr.ModeConfirm:
	}
	return providers.Call{Delivery: "d1", To: number, Script: s, ValidFor: 10 * time.Minute}
}

func place(t *testing.T, p *Provider, c providers.Call) (id string) {
	t.Helper()
	accepted, err := p.PlaceCall(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return accepted.Reference
}

// does has a person do something: "answer", "press 0#" or "hangup", or wait a
// duration, or delete the phone. It returns "", or the code of the problem.
func does(t *testing.T, phones *Phones, id, what string) (code string) {
	t.Helper()
	if d, err := time.ParseDuration(what); err == nil {
		time.Sleep(d)
		synctest.Wait()
		return ""
	}
	if what == "delete" {
		request(phones, http.MethodDelete, "/sandbox/api/phones/"+number, "")
		synctest.Wait()
		return ""
	}
	verb, digits, _ := strings.Cut(what, " ")
	body := "{}"
	if verb == "press" {
		body = `{"digits":"` + digits + `"}`
	}
	got := request(phones, http.MethodPost, "/sandbox/api/calls/"+id+"/"+verb, body)
	if got.Code == http.StatusNoContent {
		return ""
	}
	var p problem
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || got.Code != p.Status ||
		got.Code != http.StatusConflict && got.Code != http.StatusNotFound {
		t.Fatalf("%s: %d %s", what, got.Code, got.Body)
	}
	return p.Code
}

// shown are the calls on the phone of these tests.
func shown(t *testing.T, phones *Phones) (calls []screen) {
	t.Helper()
	got := request(phones, http.MethodGet, "/sandbox/api/phones/"+number+"/calls", "")
	if err := json.Unmarshal(got.Body.Bytes(), &calls); err != nil || got.Code != http.StatusOK {
		t.Fatalf("calls: %d %s", got.Code, got.Body)
	}
	return calls
}

// What is said in each mode.
const (
	confirm = " press_hash press_zero_hash"
	code    = " your_code 0 1 2 3 4 5 code_again 0 1 2 3 4 5 press_zero_hash"
	keyed   = " type_digits press_zero_hash"
)

// texts are the prompts in words, which are their keys.
func texts(locale, words string) []string {
	said := []string{}
	for word := range strings.FieldsSeq(words) {
		for _, p := range ivr.Prompts(locale) {
			if p.Key == word || p.Key == "digit_"+word {
				said = append(said, p.Text)
			}
		}
	}
	return said
}

// TestCallOutcomes has every outcome: what is reported and when, what the gateway
// was asked, and what was heard.
func TestCallOutcomes(t *testing.T) {
	for _, test := range []struct {
		name      string
		mode      ivr.Mode
		behaviour string
		does      string // separated by commas
		receipts  string
		asked     string
		said      string
	}{
		{"confirmed", "confirm", `{}`, "3s,answer,2s,press #", "0s ringing,3s answered,5s confirmed", "#", "greeting" + confirm + " approved"},
		{"denied", "confirm", `{}`, "answer,press 0,press #", "0s ringing,0s answered,0s denied", "0#", "greeting" + confirm + " report denied"},
		{"denied at once", "confirm", `{}`, "answer,press 0#", "0s ringing,0s answered,0s denied", "0#", "greeting" + confirm + " report denied"},
		{"keys after the end", "confirm", `{}`, "answer,press ##0#", "0s ringing,0s answered,0s confirmed", "#", "greeting" + confirm + " approved"},
		{"no input", "confirm", `{}`, "answer", "0s ringing,0s answered,30s no_input", "", strings.Repeat("greeting"+confirm+" ", 3) + "goodbye"},
		{"wrong input", "confirm", `{}`, "answer,press 1,9s,press 2,9s,press 3", "0s ringing,0s answered,18s wrong_input", "", "greeting" + strings.Repeat(confirm+" wrong_key", 2) + confirm + " goodbye"},
		{"hung up", "confirm", `{}`, "answer,1s,hangup", "0s ringing,0s answered,1s hung_up", "", "greeting" + confirm},
		{"hung up after a key", "confirm", `{}`, "answer,press 0,hangup", "0s ringing,0s answered,0s hung_up", "", "greeting" + confirm + " report"},
		{"declined by a person", "confirm", `{}`, "1s,hangup", "0s ringing,1s declined", "", ""},
		{"no answer by a person", "confirm", `{}`, "", "0s ringing,30s no_answer", "", ""},
		{"answered at the last moment", "confirm", `{}`, "29999ms,answer,press #", "0s ringing,29.999s answered,29.999s confirmed", "#", "greeting" + confirm + " approved"},
		{"phone deleted while it rings", "confirm", `{}`, "1s,delete", "0s ringing,1s unreachable", "", "-"},
		{"phone deleted after the answer", "confirm", `{}`, "answer,delete", "0s ringing,0s answered,0s hung_up", "", "-"},

		{"code heard to its end", "code", `{}`, "answer", "0s ringing,0s answered,5s delivered", "", "greeting" + code + " goodbye"},
		{"code hung up", "code", `{}`, "answer,hangup", "0s ringing,0s answered,0s hung_up", "", "greeting" + code},
		{"code denied", "code", `{}`, "answer,press 0#", "0s ringing,0s answered,0s denied", "0#", "greeting" + code + " report denied"},

		{"keyed", "keyed", `{}`, "answer,press 012,9s,press 345,9s,press #", "0s ringing,0s answered,18s confirmed", "012345", "greeting" + keyed + " approved"},
		{"keyed without #", "keyed", `{}`, "answer,press 012345", "0s ringing,0s answered,10s confirmed", "012345", "greeting" + keyed + " approved"},
		{"keyed denied", "keyed", `{}`, "answer,press 0#", "0s ringing,0s answered,0s denied", "0#", "greeting" + keyed + " denied"},
		{"keyed wrong, then right", "keyed", `{}`, "answer,press 999999#012345#", "0s ringing,0s answered,0s confirmed", "999999,012345", "greeting" + keyed + " wrong_digits" + keyed + " approved"},
		{"keyed wrong three times", "keyed", `{}`, "answer,press 999999#1#,press 2#", "0s ringing,0s answered,0s wrong_input", "999999", "greeting" + keyed + " wrong_digits" + keyed + " wrong_digits" + keyed + " goodbye"},
		{"keyed for nothing any more", "keyed", `{}`, "answer,press 000000#", "0s ringing,0s answered,0s wrong_input", "000000", "greeting" + keyed + " goodbye"},
		{"keyed too many", "keyed", `{}`, "answer,press 01234567890123456789,hangup", "0s ringing,0s answered,0s hung_up", "", "greeting" + keyed + " wrong_digits" + keyed},

		{"rings late", "confirm", `{"delay_ms":4000}`, "4s,answer,press #", "4s ringing,4s answered,4s confirmed", "#", "greeting" + confirm + " approved"},
		{"rings late, nobody answers", "confirm", `{"delay_ms":4000}`, "", "4s ringing,34s no_answer", "", ""},
		{"phone deleted before it rings", "confirm", `{"delay_ms":4000}`, "1s,delete", "1s unreachable", "", "-"},
		{"busy", "confirm", `{"voice":"busy"}`, "", "0s busy", "", ""},
		{"unreachable", "confirm", `{"voice":"unreachable","delay_ms":700}`, "", "700ms unreachable", "", ""},
		{"failed", "confirm", `{"voice":"failed"}`, "", "0s failed", "", ""},
		{"declined", "confirm", `{"voice":"declined","delay_ms":5000}`, "", "0s ringing,5s declined", "", ""},
		{"no answer", "confirm", `{"voice":"no_answer"}`, "", "0s ringing,0s no_answer", "", ""},
		{"machine", "confirm", `{"voice":"machine","delay_ms":2500}`, "", "0s ringing,2.5s answered,2.5s machine", "", ""},
	} {
		for _, locale := range ivr.Locales() {
			t.Run(test.name+" "+locale, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log strings.Builder
					phones := NewPhones()
					p, g := open(t, phones, "a", slog.New(slog.NewTextHandler(&log, nil)))
					request(phones, http.MethodPost, "/sandbox/api/phones/"+number+"/behaviour", test.behaviour)
					id := place(t, p, callOf(test.mode, locale))
					for what := range strings.SplitSeq(test.does, ",") {
						if what == "" {
							continue
						}
						if refused := does(t, phones, id, what); refused != "" {
							t.Fatalf("%s: %s", what, refused)
						}
					}
					time.Sleep(time.Hour)
					synctest.Wait()

					receipts := strings.ReplaceAll(strings.Join(g.got(), ","), "a d1 ", "")
					if diff := cmp.Diff(test.receipts, receipts); diff != "" {
						t.Errorf("receipts (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(test.asked, strings.ReplaceAll(strings.Join(g.wasAsked(), ","), "a d1 ", "")); diff != "" {
						t.Errorf("asked (-want +got):\n%s", diff)
					}
					_, last, _ := strings.Cut(receipts[strings.LastIndex(receipts, ",")+1:], " ")
					want := []screen{{
						ID: id, Delivery: "d1", Status: providers.Status(last), Said: texts(locale, test.said),
						At: g.begin.UTC(),
					}}
					ended := "call_ended"
					if test.said == "-" {
						want, ended = []screen{}, "not_found"
					}
					if diff := cmp.Diff(want, shown(t, phones)); diff != "" {
						t.Errorf("on the screen (-want +got):\n%s", diff)
					}
					for _, what := range []string{"answer", "press #", "hangup"} {
						if got := does(t, phones, id, what); got != ended {
							t.Errorf("%s after the end: %q, want %s", what, got, ended)
						}
					}
					if log.Len() > 0 {
						t.Errorf("logged %s", &log)
					}
					idle(t, p)
				})
			})
		}
	}
}

// idle checks that nothing is left of any call.
func idle(t *testing.T, p *Provider) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reports.pending != 0 || len(p.cut) != 0 {
		t.Errorf("%d deliveries pending, %d calls under way", p.reports.pending, len(p.cut))
	}
}

// TestCallOnScreen: what the screen shows as the call goes on, exactly.
func TestCallOnScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, _ := open(t, phones, "a", discard)
		const path = "/sandbox/api/phones/819012345678/calls"
		shows := func(want string) {
			t.Helper()
			if got := request(phones, http.MethodGet, path, "").Body.String(); got != want+"\n" {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		shows(`[]`)
		c := callOf(ivr.ModeConfirm, "en")
		c.Extension, c.Script.Brand = "123", "A&B"
		id := place(t, p, c)
		shows(`[{"id":"call-1","delivery":"d1","extension":"123","status":"ringing","said":[],"listening":false,"at":"2000-01-01T00:00:00Z"}]`)
		does(t, phones, id, "answer")
		const heard = `"This is an automated call from A&B to verify your phone number.",` +
			`"If you asked for this call, press the hash key, also called pound.","If you did not ask for this call, press zero, then hash."`
		shows(`[{"id":"call-1","delivery":"d1","extension":"123","status":"answered","said":[` + heard + `],"listening":true,"at":"2000-01-01T00:00:00Z"}]`)
		time.Sleep(time.Second)
		place(t, p, providers.Call{Delivery: "d2", To: number, Script: ivr.Script{Mode: ivr.ModeConfirm, Locale: "en"}})
		does(t, phones, id, "press #")
		shows(`[{"id":"call-1","delivery":"d1","extension":"123","status":"confirmed","said":[` + heard + `,"You are verified. Thank you."],"listening":false,"at":"2000-01-01T00:00:00Z"},` +
			`{"id":"call-2","delivery":"d2","status":"ringing","said":[],"listening":false,"at":"2000-01-01T00:00:01Z"}]`)
	})
}

// TestCallRefuses: what a person can't do now changes nothing.
func TestCallRefuses(t *testing.T) {
	for _, test := range []struct {
		name, behaviour, first, what, want string
		status                             providers.Status
	}{
		{"press while it rings", `{}`, "", "press #", "not_listening", providers.Ringing},
		{"answer twice", `{}`, "answer", "answer", "not_ringing", providers.Answered},
		{"answer before it rings", `{"delay_ms":1000}`, "", "answer", "not_ringing", providers.Accepted},
		{"hang up before it rings", `{"delay_ms":1000}`, "", "hangup", "not_ringing", providers.Accepted},
		{"press before it rings", `{"delay_ms":1000}`, "", "press #", "not_listening", providers.Accepted},
		{"answer what nobody answers", `{"voice":"no_answer","delay_ms":1000}`, "", "answer", "decided", providers.Ringing},
		{"hang up what nobody answers", `{"voice":"no_answer","delay_ms":1000}`, "", "hangup", "decided", providers.Ringing},
		{"press at a machine", `{"voice":"machine","delay_ms":1000}`, "", "press #", "decided", providers.Ringing},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				phones := NewPhones()
				p, g := open(t, phones, "a", discard)
				request(phones, http.MethodPost, "/sandbox/api/phones/"+number+"/behaviour", test.behaviour)
				id := place(t, p, callOf(ivr.ModeConfirm, "ja"))
				if test.first != "" {
					does(t, phones, id, test.first)
				}
				before := shown(t, phones)
				if got := does(t, phones, id, test.what); got != test.want {
					t.Errorf("%q, want %s", got, test.want)
				}
				after := shown(t, phones)
				if diff := cmp.Diff(before, after); diff != "" || after[0].Status != test.status {
					t.Errorf("status %s; changed (-before +after):\n%s", after[0].Status, diff)
				}
				if asked := g.wasAsked(); len(asked) > 0 {
					t.Errorf("the gateway was asked %v", asked)
				}
			})
		})
	}
}

// TestKeysBeforeThePrompt: what is pressed while the gateway judges came before
// the prompt that follows, so it isn't an answer to it.
func TestKeysBeforeThePrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, g := open(t, phones, "a", discard)
		g.slow = time.Second
		id := place(t, p, callOf(ivr.ModeKeyed, "ja"))
		does(t, phones, id, "answer")
		var wg sync.WaitGroup
		wg.Go(func() { does(t, phones, id, "press 999999#") })
		synctest.Wait()
		if got := shown(t, phones)[0]; got.Listening {
			t.Error("listens while the gateway judges")
		}
		wg.Go(func() {
			if got := does(t, phones, id, "press 012345#"); got != "not_listening" {
				t.Errorf("%q, want not_listening", got)
			}
		})
		wg.Wait()
		if got := shown(t, phones)[0]; !got.Listening || got.Status != providers.Answered {
			t.Errorf("the phone shows %+v", got)
		}
		does(t, phones, id, "press 012345#")
		if diff := cmp.Diff([]string{"a d1 999999", "a d1 012345"}, g.wasAsked()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

// TestHangUpWhileJudging: the verdict that was asked for comes first.
func TestHangUpWhileJudging(t *testing.T) {
	for keys, want := range map[string]providers.Status{"012345#": providers.Confirmed, "999999#": providers.HungUp} {
		synctest.Test(t, func(t *testing.T) {
			phones := NewPhones()
			p, g := open(t, phones, "a", discard)
			g.slow = time.Second
			id := place(t, p, callOf(ivr.ModeKeyed, "ja"))
			does(t, phones, id, "answer")
			var wg sync.WaitGroup
			wg.Go(func() { does(t, phones, id, "press "+keys) })
			synctest.Wait()
			wg.Go(func() { does(t, phones, id, "hangup") })
			wg.Wait()
			if got := shown(t, phones)[0].Status; got != want {
				t.Errorf("%s: %s, want %s", keys, got, want)
			}
		})
	}
}

// TestGatewayCannotJudge: the call is cut off, and nothing private is logged.
func TestGatewayCannotJudge(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*gateway)
		at   string
		text string
	}{
		"fails": {func(g *gateway) { g.blind = errors.New("the store doesn't answer") }, "0s", "the store doesn't answer"},
		"stuck": {func(g *gateway) { g.slow = time.Hour }, "5s", "context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				phones := NewPhones()
				p, g := open(t, phones, "a", slog.New(slog.NewTextHandler(&log, nil)))
				test.set(g)
				id := place(t, p, callOf(ivr.ModeKeyed, "ja"))
				does(t, phones, id, "answer")
				does(t, phones, id, "press 012345#")
				synctest.Wait()
				if got := g.got()[2]; got != test.at+" a d1 failed" {
					t.Error(got)
				}
				_, line, _ := strings.Cut(log.String(), " ")
				want := `level=ERROR msg="call cut off, the gateway doesn't judge its keys" provider=a delivery=d1 error="` + test.text + "\"\n"
				if diff := cmp.Diff(want, line); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
				idle(t, p)
			})
		})
	}
}

// TestCallReportsInOrder: a receiver that doesn't take a receipt doesn't hold up
// the call, and gets all of them in order.
func TestCallReportsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, g := open(t, phones, "a", discard)
		g.fail = func(try int) error {
			if try <= 3 {
				return errors.New("the store doesn't answer")
			}
			return nil
		}
		id := place(t, p, callOf(ivr.ModeConfirm, "ja"))
		synctest.Wait()
		does(t, phones, id, "answer")
		does(t, phones, id, "press #")
		if got := shown(t, phones)[0].Status; got != providers.Confirmed {
			t.Errorf("the phone shows %s", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"700ms a d1 ringing", "700ms a d1 answered", "700ms a d1 confirmed"}, g.got()); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
		idle(t, p)
	})
}

// TestCallReportDropped: what happens after a receipt was dropped is reported
// all the same, and repeated as often.
func TestCallReportDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, g := open(t, phones, "a", discard)
		g.fail = func(try int) error {
			if try <= maxTries+1 {
				return errors.New("the store doesn't answer")
			}
			return nil
		}
		id := place(t, p, callOf(ivr.ModeConfirm, "ja"))
		does(t, phones, id, "26s")
		does(t, phones, id, "hangup")
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"26.1s a d1 declined"}, g.got()); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
		idle(t, p)
	})
}

// TestRingTimeout: the operator's, or the call's validity if that is shorter.
func TestRingTimeout(t *testing.T) {
	for _, test := range []struct{ ring, valid, want time.Duration }{
		{0, 0, defaultRingTime},
		{5 * time.Second, 0, 5 * time.Second},
		{time.Minute, 10 * time.Second, 10 * time.Second},
		{time.Minute, time.Hour, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{begin: time.Now()}
			p, err := New(Config{"a", test.ring}, NewPhones(), g.receive, g, discard)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			place(t, p, providers.Call{Delivery: "d1", To: number, ValidFor: test.valid})
			time.Sleep(time.Hour)
			synctest.Wait()
			if got, want := g.got()[1], fmt.Sprintf("%v a d1 no_answer", test.want); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestCallNotTaken: the carrier fails as its phone's behaviour asks, once; and
// no call is placed.
func TestCallNotTaken(t *testing.T) {
	for _, kind := range providers.Kinds() {
		synctest.Test(t, func(t *testing.T) {
			phones := NewPhones()
			p, g := open(t, phones, "a", discard)
			phones.behave(number, Behaviour{SMS: providers.Expired, Voice: providers.Busy, Error: kind, DelayMS: 300})
			begin := time.Now()
			_, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "ja"))
			if providers.KindOf(err) != kind || !errors.Is(err, errAsked) || time.Since(begin) != 300*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
			if want := (Behaviour{SMS: providers.Expired, Voice: providers.Ringing}); phones.behaviour(number) != want {
				t.Errorf("behaves as %+v", phones.behaviour(number))
			}
			time.Sleep(time.Hour)
			if len(g.got())+len(shown(t, phones)) > 0 {
				t.Errorf("receipts %v, calls %v", g.got(), shown(t, phones))
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := p.PlaceCall(gone, callOf(ivr.ModeConfirm, "ja")); providers.KindOf(err) != providers.Unavailable || len(shown(t, phones)) > 0 {
				t.Errorf("after its context ended: %v", err)
			}
		})
	}
}

// TestCallOutlivesItsRequest: the end of the request that placed it isn't its end.
func TestCallOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, _ := open(t, phones, "a", discard)
		ctx, cancel := context.WithCancel(t.Context())
		accepted, err := p.PlaceCall(ctx, callOf(ivr.ModeConfirm, "ja"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		does(t, phones, accepted.Reference, "answer")
		does(t, phones, accepted.Reference, "press #")
		if got := shown(t, phones)[0].Status; got != providers.Confirmed {
			t.Error(got)
		}
	})
}

// TestCloseCutsCallsOff: at any point, at once, and without a receipt.
func TestCloseCutsCallsOff(t *testing.T) {
	for _, test := range []string{"", "answer", "answer,press 0", "answer,press #"} {
		t.Run(test, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				phones := NewPhones()
				g := &gateway{begin: time.Now(), slow: time.Second}
				p, err := New(Config{Name: "a"}, phones, g.receive, g, slog.New(slog.NewTextHandler(&log, nil)))
				if err != nil {
					t.Fatal(err)
				}
				id := place(t, p, callOf(ivr.ModeConfirm, "ja"))
				var wg sync.WaitGroup
				for what := range strings.SplitSeq(test, ",") {
					if what != "" {
						wg.Go(func() { does(t, phones, id, what) })
						synctest.Wait()
					}
				}
				receipts := len(g.got())
				if err := p.Close(); err != nil || time.Since(g.begin) != 0 {
					t.Errorf("closed after %v: %v", time.Since(g.begin), err)
				}
				wg.Wait()
				if got := shown(t, phones)[0]; got.Status != providers.Failed || got.Listening {
					t.Errorf("the phone shows %+v", got)
				}
				if got := does(t, phones, id, "hangup"); got != "call_ended" {
					t.Errorf("hang-up: %q", got)
				}
				if test != "" && len(g.got()) != receipts || log.Len() > 0 {
					t.Errorf("receipts %v, log %s", g.got(), &log)
				}
				if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "ja")); providers.KindOf(err) != providers.Unavailable || !errors.Is(err, errClosed) {
					t.Errorf("call after close: %v", err)
				}
			})
		})
	}
}

// TestCloseWaits: Close is back when the gateway is, and no call begins meanwhile.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, g := open(t, phones, "a", discard)
		g.deaf = time.Second
		id := place(t, p, callOf(ivr.ModeConfirm, "ja"))
		does(t, phones, id, "answer")
		var wg sync.WaitGroup
		wg.Go(func() { does(t, phones, id, "press #") })
		synctest.Wait()
		wg.Go(func() {
			if err := p.Close(); err != nil || time.Since(g.begin) != time.Second {
				t.Errorf("closed after %v: %v", time.Since(g.begin), err)
			}
		})
		synctest.Wait()
		if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "ja")); !errors.Is(err, errClosed) {
			t.Errorf("call while it closes: %v", err)
		}
		wg.Wait()
		if got := shown(t, phones); len(got) != 1 || got[0].Listening {
			t.Errorf("the phone shows %+v", got)
		}
	})
}

func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, g := open(t, phones, "a", discard)
		for i := range maxLines {
			place(t, p, providers.Call{Delivery: fmt.Sprintf("d%d", i), To: fmt.Sprintf("+8190%08d", i)})
		}
		if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "ja")); providers.KindOf(err) != providers.Throttled || !errors.Is(err, errLines) {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		idle(t, p)
		// The call that a phone keeps no longer has ended, whatever it did.
		before := len(g.got())
		for range maxCalls + 1 {
			place(t, p, callOf(ivr.ModeConfirm, "ja"))
		}
		synctest.Wait()
		receipts := g.got()[before:]
		if n := len(slices.DeleteFunc(slices.Clone(receipts), func(r string) bool { return r != "1m0s a d1 unreachable" })); n != 1 || len(receipts) != maxCalls+2 {
			t.Errorf("%d of %d receipts say so", n, len(receipts))
		}
		if kept := shown(t, phones); len(kept) != maxCalls || kept[0].ID != fmt.Sprintf("call-%d", maxLines+2) {
			t.Errorf("%d calls, the first is %s", len(kept), kept[0].ID)
		}
		does(t, phones, "", "delete")
		if len(phones.callIDs) != maxPhones-1 {
			t.Errorf("%d calls are found by id", len(phones.callIDs))
		}
	})
}

// TestCallRaces: of many people at once, one answers and one is judged.
func TestCallRaces(t *testing.T) {
	phones := NewPhones()
	p, g := open(t, phones, "a", discard)
	for range 50 {
		id := place(t, p, callOf(ivr.ModeConfirm, "ja"))
		var mu sync.Mutex
		done := map[string]int{}
		race := func(what ...string) {
			var wg sync.WaitGroup
			for range 4 {
				for _, w := range what {
					wg.Go(func() {
						if code := does(t, phones, id, w); code == "" {
							mu.Lock()
							done[w]++
							mu.Unlock()
						}
						shown(t, phones)
					})
				}
			}
			wg.Wait()
		}
		race("answer")
		race("press #", "hangup")
		if done["answer"] != 1 || done["press #"]+done["hangup"] != 1 {
			t.Errorf("done: %v", done)
		}
		asked := len(g.wasAsked())
		g.mu.Lock()
		g.asked = nil
		g.mu.Unlock()
		if asked != done["press #"] {
			t.Errorf("asked %d times, done %v", asked, done)
		}
	}
}

func FuzzParsePress(f *testing.F) {
	for _, seed := range []string{`{"digits":"#"}`, `{"digits":"0#"}`, `{"digits":"012345#"}`, `{}`, `null`, `{"digits":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, bad := parsePress(body)
		if bad == nil == (strings.Trim(keys, "0123456789*#") != "" || keys == "" || len(keys) > 32) {
			t.Errorf("%s: keys %q, %+v", body, keys, bad)
		}
	})
}

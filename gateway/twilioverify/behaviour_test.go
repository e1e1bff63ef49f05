package twilioverify_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/gateway"
	"denwa/gateway/twilioverify"
	"denwa/providers"
	"denwa/ratelimit/redistest"
)

// TestOneVerificationPerNumber sends many requests for a number at once, for
// both channels: one verification comes of them, with one message and one call.
func TestOneVerificationPerNumber(t *testing.T) {
	each(t, func(t *testing.T, g *testGateway) {
		const many = 24
		answers := make([]answer, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				answers[i] = g.ask("POST", path+"/Verifications", "To=%2B819012345678&Channel="+[]string{"sms", "call"}[i%2])
			})
		}
		wg.Wait()
		sids, sent := map[string]bool{}, map[string]int{}
		for _, a := range answers {
			switch {
			case a.status == http.StatusCreated:
				sids[a.field("sid")] = true
				sent[a.field("channel")]++
			case a.status != http.StatusTooManyRequests || a.code() != 60212:
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		if len(sids) != 1 || sent["sms"] != 1 || sent["call"] != 1 {
			t.Errorf("verifications %v, sent %v", sids, sent)
		}
		if m, c := len(g.messages(mobile)), len(g.calls(mobile)); m != 1 || c != 1 {
			t.Errorf("%d messages and %d calls", m, c)
		}
		if a := g.check(mobile, g.code(mobile)); a.field("status") != "approved" || !sids[a.field("sid")] {
			t.Errorf("%s", a.body)
		}
	})
}

// TestAgain asks for one number again and again: the code is the same and checks
// used up stay used up, until the sends are.
func TestAgain(t *testing.T) {
	g := newGateway(t, "", nil)
	sid, code := g.start(mobile, ""), g.code(mobile)
	g.check(mobile, wrong(code))
	for n := 2; n <= 5; n++ {
		g.clock.pass(31 * time.Second)
		if again := g.start(mobile, ""); again != sid || g.code(mobile) != code {
			t.Errorf("send %d is of %s, with %s; it was %s, with %s", n, again, g.code(mobile), sid, code)
		}
	}
	g.clock.pass(31 * time.Second)
	if a := g.ask("POST", path+"/Verifications", "To=%2B819012345678&Channel=sms"); a.code() != 60203 {
		t.Errorf("send 6: %d %s", a.status, a.body)
	}
	v := g.ask("GET", path+"/Verifications/"+sid, "")
	for n := 1; n <= 5; n++ {
		if want := fmt.Sprintf("VL%s%02x", sid[2:32], n); !strings.Contains(v.body, want) {
			t.Errorf("no %s in %s", want, v.body)
		}
	}
	for range 3 {
		g.check(mobile, wrong(code))
	}
	if a := g.check(mobile, wrong(code)); a.code() != 60202 {
		t.Errorf("check 5: %d %s", a.status, a.body)
	}
	g.clock.pass(time.Hour)
	if again := g.start(mobile, ""); again == sid {
		t.Error("what is over was taken up again")
	}
}

// TestExpiry lets the time run out.
func TestExpiry(t *testing.T) {
	g := newGateway(t, "", nil)
	sid, code := g.start(mobile, ""), g.code(mobile)
	g.clock.pass(10 * time.Minute)
	for _, a := range []answer{g.check(mobile, code), g.ask("POST", path+"/VerificationCheck", "VerificationSid="+sid+"&Code="+code)} {
		if a.status != http.StatusNotFound || a.code() != 20404 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := g.ask("GET", path+"/Verifications/"+sid, ""); a.field("status") != "expired" || a.field("valid") != "false" {
		t.Errorf("%s", a.body)
	}
	if again := g.start(mobile, ""); again == sid {
		t.Error("what is over was taken up again")
	}
}

// TestCustomCode: the code is the app's own. Another one starts another
// verification, and ends the one before; none is readable in the store.
func TestCustomCode(t *testing.T) {
	each(t, func(t *testing.T, g *testGateway) {
		first := g.start(mobile, "&CustomCode="+customCode)
		if g.code(mobile) != customCode {
			t.Fatalf("the code is %s", g.code(mobile))
		}
		dump := g.dump()
		g.clock.pass(31 * time.Second)
		if again := g.start(mobile, "&CustomCode="+customCode); again != first {
			t.Errorf("the same code: %s, and then %s", first, again)
		}
		g.clock.pass(31 * time.Second)
		if again := g.start(mobile, ""); again != first || g.code(mobile) != customCode {
			t.Errorf("no code: %s, and then %s with %s", first, again, g.code(mobile))
		}
		g.clock.pass(31 * time.Second)
		second := g.start(mobile, "&CustomCode=5550123")
		if second == first || g.code(mobile) != "5550123" {
			t.Errorf("another code: %s, and then %s with %s", first, second, g.code(mobile))
		}
		if a := g.ask("GET", path+"/Verifications/"+first, ""); a.field("status") != "canceled" {
			t.Errorf("%s", a.body)
		}
		if a := g.check(mobile, customCode); a.field("valid") != "false" {
			t.Errorf("%s", a.body)
		}
		dump += g.dump()
		if a := g.check(mobile, "5550123"); a.field("valid") != "true" || a.field("sid") != second {
			t.Errorf("%s", a.body)
		}
		dump += g.dump()
		for _, code := range []string{customCode, "5550123"} {
			if strings.Contains(dump, code) {
				t.Errorf("%s is in the store", code)
			}
		}
	})
}

// TestReplacementRefused: when the new code can't be sent, the old one stays good.
func TestReplacementRefused(t *testing.T) {
	g := newGateway(t, "", nil)
	first := g.start(mobile, "&CustomCode="+customCode)
	if a := g.ask("POST", path+"/Verifications", "To=%2B819012345678&Channel=sms&CustomCode=5550123"); a.code() != 60212 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := g.check(mobile, customCode); a.field("valid") != "true" || a.field("sid") != first {
		t.Errorf("%s", a.body)
	}
}

// TestExtension: SendDigits reach the right desk, also when two are asked for in turn.
func TestExtension(t *testing.T) {
	g := newGateway(t, "", nil)
	var sids []string
	for _, digits := range []string{"ww12w3", "4567"} {
		a := g.ask("POST", path+"/Verifications", "To=%2B81312345678&Channel=call&SendDigits="+digits)
		if a.status != http.StatusCreated {
			t.Fatal(a.body)
		}
		sids = append(sids, a.field("sid"))
		g.clock.pass(4 * time.Minute)
	}
	calls := g.calls(landline)
	if len(calls) != 2 || calls[0].Extension != "123" || calls[1].Extension != "4567" {
		t.Errorf("%+v", calls)
	}
	if sids[0] == sids[1] {
		t.Error("two desks share a code")
	}
	if a := g.ask("GET", path+"/Verifications/"+sids[0], ""); a.field("status") != "canceled" {
		t.Errorf("%s", a.body)
	}
}

// TestForeign: an app can't see, check or end what is another's, and what is
// unknown answers alike.
func TestForeign(t *testing.T) {
	g := newGateway(t, "", nil)
	sid, code := g.start(mobile, ""), g.code(mobile)
	const other = "/v2/Services/" + otherVA
	for _, r := range []struct{ method, path, form string }{
		{"GET", other + "/Verifications/" + sid, ""},
		{"GET", other + "/Verifications/" + mobile, ""},
		{"POST", other + "/Verifications/" + sid, "Status=canceled"},
		{"POST", other + "/VerificationCheck", "VerificationSid=" + sid + "&Code=" + code},
		{"POST", other + "/VerificationCheck", "To=%2B819012345678&Code=" + code},
		{"GET", "/v2/Attempts/VL" + sid[2:32] + "01", ""},
	} {
		a := g.as(otherAC, otherKey, r.method, r.path, r.form)
		unknown := strings.NewReplacer(sid[2:32], strings.Repeat("0", 30), "12345678", "87654321").Replace(r.path + " " + r.form)
		p, form, _ := strings.Cut(unknown, " ")
		if u := g.as(otherAC, otherKey, r.method, p, form); a.status != http.StatusNotFound || a.body != u.body {
			t.Errorf("%s %s: %d %s; unknown: %s", r.method, r.path, a.status, a.body, u.body)
		}
	}
	for _, list := range []string{"/v2/Attempts", "/v2/Attempts?VerificationSid=" + sid} {
		if a := g.as(otherAC, otherKey, "GET", list, ""); !strings.HasPrefix(a.body, `{"attempts":[],`) {
			t.Errorf("%s", a.body)
		}
	}
	// A token of one app's list is none of another's.
	token := regexp.MustCompile(`PageToken=[\w-]+`).FindString(g.ask("GET", "/v2/Attempts?Country=JP", "").body)
	if a := g.as(otherAC, otherKey, "GET", "/v2/Attempts?"+token, ""); token == "" || a.code() != 60200 {
		t.Errorf("%s", a.body)
	}
	// Its own verification of the number has nothing to do with it.
	g.clock.pass(31 * time.Second)
	if a := g.as(otherAC, otherKey, "POST", other+"/Verifications", "To=%2B819012345678&Channel=sms"); a.status != http.StatusCreated || a.field("sid") == sid {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := g.check(mobile, code); a.field("status") != "approved" {
		t.Errorf("%s", a.body)
	}
}

// TestNativeVerification: what the native API started isn't one of this dialect.
func TestNativeVerification(t *testing.T) {
	g := newGateway(t, "", nil)
	v, err := g.service.Start(t.Context(), g.service.Policy().App("portal"), gateway.StartRequest{To: mobile})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := v.ID.Bytes()
	for _, p := range []string{fmt.Sprintf("VE%x", b[:16]), fmt.Sprintf("VE%x00", b[:15]), mobile} {
		if a := g.ask("GET", path+"/Verifications/"+p, ""); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", p, a.status, a.body)
		}
	}
}

// TestAttempts lists in pages, and counts, what was really sent.
func TestAttempts(t *testing.T) {
	each(t, func(t *testing.T, g *testGateway) {
		begin := g.clock.read()
		for i := range 7 {
			to := fmt.Sprintf("+81901111100%d", i)
			g.start(to, "")
			if i%3 == 0 {
				g.check(to, g.code(to))
			}
			g.clock.pass(time.Minute)
		}
		if a := g.ask("POST", path+"/Verifications", "To=%2B14155552671&Channel=call"); a.status != http.StatusCreated {
			t.Fatal(a.body)
		}
		type list struct {
			Attempts []struct {
				SID         string            `json:"sid"`
				Status      string            `json:"conversion_status"`
				ChannelData map[string]string `json:"channel_data"`
			}
			Meta struct {
				Next  *string `json:"next_page_url"`
				First string  `json:"first_page_url"`
				URL   string  `json:"url"`
				Page  int     `json:"page"`
			}
		}
		read := func(at string) (l list) {
			t.Helper()
			a := g.ask("GET", strings.TrimPrefix(at, g.server.URL), "")
			if err := json.Unmarshal([]byte(a.body), &l); err != nil || a.status != http.StatusOK {
				t.Fatalf("%s: %d %s", at, a.status, a.body)
			}
			return l
		}
		pages := func(query string) (numbers []string) {
			t.Helper()
			at := "/v2/Attempts?PageSize=2&" + query
			for page := 0; ; page++ {
				l := read(at)
				if l.Meta.Page != page || len(l.Attempts) > 2 {
					t.Fatalf("page %d: %+v", page, l)
				}
				for _, u := range []string{l.Meta.First, l.Meta.URL} {
					if strings.Contains(u, "1111") || page > 0 && u == "" {
						t.Errorf("%s", u)
					}
				}
				for _, a := range l.Attempts {
					numbers = append(numbers, a.ChannelData["to"][len("+8190111"):])
				}
				if l.Meta.Next == nil {
					return numbers
				}
				at = *l.Meta.Next
			}
		}
		stamp := func(d time.Duration) string { return url.QueryEscape(begin.Add(d).Format(time.RFC3339Nano)) }
		for query, want := range map[string]string{
			"":                              "2671 11006 11005 11004 11003 11002 11001 11000",
			"Status=converted":              "11006 11003 11000",
			"Status=UNCONVERTED&Country=jp": "11005 11004 11002 11001",
			"Country=US":                    "2671",
			"Channel=call":                  "2671",
			"Channel=email":                 "",
			"VerifyServiceSid=" + otherVA:   "",
			"VerifyServiceSid=" + service + "&Channel=sms":                                            "11006 11005 11004 11003 11002 11001 11000",
			"ChannelData.To=" + url.QueryEscape("+819011111004"):                                      "11004",
			"DateCreatedAfter=" + stamp(2*time.Minute) + "&DateCreatedBefore=" + stamp(4*time.Minute): "11003 11002",
			"DateCreatedBefore=" + stamp(time.Minute):                                                 "11000",
			"DateCreatedBefore=" + stamp(0):                                                           "",
		} {
			if got := strings.Join(pages(query), " "); got != want {
				t.Errorf("%q: %s, want %s", query, got, want)
			}
		}
		if l := read("/v2/Attempts"); l.Meta.Next != nil || len(l.Attempts) != 8 {
			t.Errorf("%+v", l)
		}
		for query, want := range map[string]string{
			"":                           "8 3 5 37.50",
			"?DestinationPrefix=%2B8190": "7 3 4 42.86",
			"?DestinationPrefix=+1":      "1 0 1 0.00",
			"?Channel=sms&Country=JP":    "7 3 4 42.86",
			"?DateCreatedAfter=" + stamp(6*time.Minute): "2 1 1 50.00",
		} {
			a := g.ask("GET", "/v2/Attempts/Summary"+query, "")
			got := strings.Join([]string{a.field("total_attempts"), a.field("total_converted"), a.field("total_unconverted"), a.field("conversion_rate_percentage")}, " ")
			if got != want {
				t.Errorf("%q: %s, want %s", query, got, want)
			}
		}
	})
}

// TestUnaskedSend: a call that nobody asked for here, such as one in place of a
// message that didn't arrive, is no attempt, and its code converts the one there is.
func TestUnaskedSend(t *testing.T) {
	each(t, func(t *testing.T, g *testGateway) {
		sid := g.start(mobile, "")
		var b [gateway.IDSize]byte
		if _, err := hex.Decode(b[:], []byte(sid[len("VE"):])); err != nil {
			t.Fatal(err)
		}
		id, _ := gateway.IDFromBytes(b)
		v, err := g.service.Resend(t.Context(), g.service.Policy().App("portal"), string(id), gateway.Voice)
		if err != nil || v.Sends != 2 {
			t.Fatal(v, err)
		}
		if a := g.check(mobile, g.code(mobile)); a.field("status") != "approved" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := g.ask("GET", path+"/Verifications/"+sid, ""); strings.Count(a.body, `"attempt_sid"`) != 1 {
			t.Errorf("%d %s", a.status, a.body)
		}
		var list struct {
			Attempts []struct {
				Status  string `json:"conversion_status"`
				Channel string `json:"channel"`
			}
		}
		l := g.ask("GET", "/v2/Attempts", "")
		if err := json.Unmarshal([]byte(l.body), &list); err != nil || len(list.Attempts) != 1 ||
			list.Attempts[0].Status != "converted" || list.Attempts[0].Channel != "sms" {
			t.Errorf("%d %s", l.status, l.body)
		}
	})
}

// TestManyAttempts pages through more than are read at once, all of one moment.
func TestManyAttempts(t *testing.T) {
	g := newGateway(t, redistest.Start(t).Addr(), nil)
	store, app := g.attemptStore(), "portal"
	const many = 2500
	for i := range many {
		err := store.Record(t.Context(), app, gateway.TwilioAttempt{
			SID: [16]byte{0: byte(i >> 8), 1: byte(i), 15: 1}, Channel: gateway.SMS, Country: "JP",
			CreatedAt: g.clock.read(), UpdatedAt: g.clock.read(), SealedTo: []byte("not sealed|at all"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if a := g.ask("GET", "/v2/Attempts/Summary", ""); a.field("total_attempts") != fmt.Sprint(many) {
		t.Errorf("%s", a.body)
	}
	seen := map[string]bool{}
	for at := "/v2/Attempts?PageSize=1000&Status=unconverted"; at != ""; {
		var l struct {
			Attempts []struct {
				SID         string         `json:"sid"`
				ChannelData map[string]any `json:"channel_data"`
			}
			Meta struct {
				Next string `json:"next_page_url"`
			}
		}
		if err := json.Unmarshal([]byte(g.ask("GET", at, "").body), &l); err != nil {
			t.Fatal(err)
		}
		for _, a := range l.Attempts {
			seen[a.SID] = true
			if a.ChannelData["to"] != nil { // its master key is gone
				t.Fatalf("%+v", a)
			}
		}
		at = strings.TrimPrefix(l.Meta.Next, g.server.URL)
	}
	if len(seen) != many {
		t.Errorf("%d of %d attempts", len(seen), many)
	}
}

// forgetful is a store that keeps nothing.
type forgetful struct{ twilioverify.Store }

var errForgetful = errors.New("no memory")

func (forgetful) Point(context.Context, string, gateway.StoreName, string, time.Duration) error {
	return errForgetful
}

func (forgetful) Record(context.Context, string, gateway.TwilioAttempt) error { return errForgetful }

func (forgetful) Convert(context.Context, string, ...[16]byte) error { return errForgetful }

func (forgetful) Attempts(context.Context, string, ...[16]byte) ([]gateway.TwilioAttempt, error) {
	return nil, errForgetful
}

// TestBookkeepingFails: a code that is on its way isn't an error because of what
// couldn't be noted about it.
func TestBookkeepingFails(t *testing.T) {
	g := newGateway(t, "", func(s *setup) { s.options.Store = forgetful{s.options.Store} })
	sid := g.start(mobile, "")
	if a := g.ask("POST", path+"/VerificationCheck", "VerificationSid="+sid+"&Code="+g.code(mobile)); a.field("status") != "approved" {
		t.Errorf("%s", a.body)
	}
	for _, what := range []string{"point to the verification", "record the attempt", "read attempts", "note the conversion"} {
		if !strings.Contains(g.log.String(), `"what":"`+what+`","error":"no memory"`) {
			t.Errorf("no word of %q in %s", what, g.log)
		}
	}
}

// oneSeed gives every turn the seed that one gets whose instance died in the
// middle of the turn before.
type oneSeed struct{}

func (oneSeed) Once(ctx context.Context, _, _ string, do func(context.Context, []byte) (*gateway.Reply, bool)) (*gateway.Reply, error) {
	r, _ := do(ctx, []byte("0123456789abcdef"))
	return r, nil
}

// TestCrash: an instance that died after it sent the code, and before it noted
// for which number, is asked again. Nothing is sent twice.
func TestCrash(t *testing.T) {
	var store twilioverify.Store
	options := &twilioverify.Options{}
	g := newGateway(t, "", func(s *setup) {
		store, options = s.options.Store, s.options
		s.options.Store, s.options.Turns = forgetful{store}, oneSeed{}
	})
	sid := g.start(mobile, "")
	options.Store = store
	restarted := httptest.NewServer(twilioverify.New(*options))
	t.Cleanup(restarted.Close)
	g.server = restarted
	if again := g.start(mobile, ""); again != sid || len(g.messages(mobile)) != 1 {
		t.Errorf("%s, and after the crash %s with %d messages", sid, again, len(g.messages(mobile)))
	}
	if a := g.check(mobile, g.code(mobile)); a.field("status") != "approved" {
		t.Errorf("%s", a.body)
	}
}

// TestTurnOfLongAgo: the end of a turn couldn't be noted, so the next one has its
// seed, hours later. It begins a verification of its own all the same.
func TestTurnOfLongAgo(t *testing.T) {
	for end, over := range map[string]func(g *testGateway, sid string){
		"approved": func(g *testGateway, _ string) { g.check(mobile, g.code(mobile)) },
		"canceled": func(g *testGateway, sid string) { g.ask("POST", path+"/Verifications/"+sid, "Status=canceled") },
		"expired":  func(*testGateway, string) {},
	} {
		t.Run(end, func(t *testing.T) {
			g := newGateway(t, "", func(s *setup) { s.options.Turns = oneSeed{} })
			sid := g.start(mobile, "")
			over(g, sid)
			g.clock.pass(time.Hour)
			if a := g.ask("GET", path+"/Verifications/"+sid, ""); a.field("status") != end {
				t.Fatalf("%s", a.body)
			}
			a := g.ask("POST", path+"/Verifications", "To="+url.QueryEscape(mobile)+"&Channel=sms")
			if a.status != http.StatusCreated || a.field("status") != "pending" || a.field("sid") == sid || len(g.messages(mobile)) != 2 {
				t.Errorf("%d %s, and %d messages", a.status, a.body, len(g.messages(mobile)))
			}
			if a := g.check(mobile, g.code(mobile)); a.field("status") != "approved" {
				t.Errorf("%s", a.body)
			}
		})
	}
}

// TestOverBeforeTheAnswer: who is told of a verification by its events may end it while
// the carrier is still asked. It isn't taken for one of an earlier turn: nothing more is sent.
func TestOverBeforeTheAnswer(t *testing.T) {
	g := newGateway(t, "", nil)
	asked := 0
	g.meanwhile = func(delivery string) error {
		asked++
		id, _, _ := strings.Cut(delivery, ".")
		if _, err := g.service.Cancel(t.Context(), g.service.Policy().App("portal"), id); err != nil {
			t.Error(err)
		}
		return &providers.Error{Kind: providers.Ambiguous}
	}
	a := g.ask("POST", path+"/Verifications", "To="+url.QueryEscape(mobile)+"&Channel=sms")
	if a.status != http.StatusCreated || a.field("status") != "canceled" || asked != 1 {
		t.Errorf("%d %s, and the carrier was asked %d times", a.status, a.body, asked)
	}
}

// TestCodeAfterCrash: an instance died with a code of the app's on its way. Another
// code, or extension, is sent all the same, whether or not it was noted for which
// number the first was.
func TestCodeAfterCrash(t *testing.T) {
	for _, noted := range []bool{true, false} {
		g := newGateway(t, "", func(s *setup) {
			s.options.Turns = oneSeed{}
			if !noted {
				s.options.Store = forgetful{s.options.Store}
			}
		})
		first := g.start(mobile, "&CustomCode=123456")
		g.clock.pass(time.Minute)
		second := g.start(mobile, "&CustomCode=654321")
		if second == first || g.code(mobile) != "654321" {
			t.Errorf("noted %t: %s, then %s with %s", noted, first, second, g.code(mobile))
		}
		if a := g.ask("POST", path+"/VerificationCheck", "VerificationSid="+second+"&Code=654321"); a.field("status") != "approved" {
			t.Errorf("noted %t: %s", noted, a.body)
		}
	}
}

// TestPublicURL: URLs in replies are those that clients reach.
func TestPublicURL(t *testing.T) {
	g := newGateway(t, "", func(s *setup) { s.options.PublicURL = "https://verify.example.jp" })
	sid := g.start(mobile, "")
	for at, want := range map[string]string{
		path + "/Verifications/" + sid: `"url":"https://verify.example.jp` + path + "/Verifications/" + sid + `"`,
		path:                           `"url":"https://verify.example.jp` + path + `"`,
		"/v2/Attempts":                 `"first_page_url":"https://verify.example.jp/v2/Attempts?`,
	} {
		if a := g.ask("GET", at, ""); !strings.Contains(a.body, want) {
			t.Errorf("%s", a.body)
		}
	}
}

// TestNothingPrivate goes through all of it, well and badly, and looks for
// numbers, codes and keys where they don't belong.
func TestNothingPrivate(t *testing.T) {
	each(t, func(t *testing.T, g *testGateway) {
		const other = "+819087654321"
		g.start(mobile, "")
		code := g.code(mobile)
		g.start(other, "&CustomCode="+customCode)
		g.phone("POST", "+819011119999/behaviour", `{"error":"unavailable"}`)
		for _, r := range []struct{ method, path, form string }{
			{"POST", path + "/Verifications", "To=%2B819012345678&Channel=sms"},
			{"POST", path + "/Verifications", "To=%2B819011119999&Channel=sms"},
			{"GET", path + "/Verifications/" + mobile, ""},
			{"GET", path + "/Verifications/%2B819012345678", ""},
			{"GET", path + "/Nothing/" + mobile, ""},
			{"PUT", path + "/Verifications/" + mobile, ""},
			{"POST", path + "/Verifications/" + other, "Status=x"},
			{"POST", path + "/VerificationCheck", "To=%2B819012345678&Code=" + wrong(code)},
			{"POST", path + "/VerificationCheck", "To=%2B819012345678&Code=" + code + customCode},
			{"GET", "/v2/Attempts?ChannelData.To=%2B819012345678&PageSize=0", ""},
			{"GET", "/v2/Attempts?ChannelData.To=" + mobile, ""},
		} {
			a := g.ask(r.method, r.path, r.form)
			if a.status >= 400 {
				quiet(t, a.body)
			}
		}
		g.as(account, otherKey, "GET", path+"/Verifications/"+mobile, "")
		quiet(t, g.dump(), code)
		g.check(mobile, code)
		quiet(t, g.log.String(), code)
		quiet(t, g.metrics(), code)
		quiet(t, g.dump(), code)
		if !strings.Contains(g.log.String(), `"route":"/v2/"`) || !strings.Contains(g.log.String(), "twilio verify request failed") {
			t.Errorf("the log is incomplete: %s", g.log)
		}
	})
}

// quiet fails if text tells what nobody may read.
func quiet(t *testing.T, text string, more ...string) {
	t.Helper()
	for _, secret := range append(more, mobile[1:], mobile[3:], "9087654321", "9011119999", customCode, portalKey, otherKey) {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%q is in …%s…", secret, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

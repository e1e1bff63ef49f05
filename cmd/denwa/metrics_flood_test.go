package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"denwa/gateway/phone"
)

// oddMark is in every text that a flood makes up.
const oddMark = "zqodd"

// flood makes n requests with whatever a client can make up. It returns the
// statuses that came back.
func (r *running) flood(t *testing.T, n int) map[string]bool {
	t.Helper()
	people := mobiles()
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	codes := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := worker; i < n; i += 16 {
				resp, err := client.Do(r.odd(t, i, people[(i/256*16+worker)%len(people)]))
				if err != nil {
					t.Errorf("request %d: %v", i, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body) // keeps the connection
				resp.Body.Close()
				mu.Lock()
				codes[strconv.Itoa(resp.StatusCode)] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return codes
}

// mobiles is a mobile number of every region, as far as trying finds one, but for
// its last two digits.
func mobiles() (all []string) {
	for _, region := range phone.Regions() {
		for i := range 54 {
			number := fmt.Sprintf("+%d%d", phone.CallingCode(region), i%18*5+10) + "23456789"[:6+i/18]
			n, err := phone.Parse(number, phone.Options{})
			if err == nil && n.Country == region && (n.Type == phone.Mobile || n.Type == phone.FixedLineOrMobile) {
				all = append(all, number[:len(number)-2])
				break
			}
		}
	}
	return all
}

// odd is the ith request of a flood, to a person's number if it is to somebody.
func (r *running) odd(t *testing.T, i int, person string) *http.Request {
	word := fmt.Sprintf("%s%d", oddMark, i)
	text := []string{word, "電話" + word, word + `"} 1`, word + "\n", "📞" + word, strings.Repeat(word, 20), "../" + word, word + "/JP"}[i/7%8]
	number := fmt.Sprintf("%s%02d", person, i%100)
	method, path, fields := http.MethodPost, "/v1/verifications", map[string]any{"to": number}
	escaped := url.PathEscape(text)
	switch i / 16 % 16 {
	case 0:
		fields["country"] = text
	case 1:
		fields["to"] = text + number
	case 2:
		fields["locale"] = text
	case 3:
		fields["purpose"], fields["reference"] = text, text
	case 4:
		fields["channel"] = text
	case 5:
		method, path = http.MethodGet, "/"+escaped
	case 6:
		method = strings.ToUpper(word)
	case 7:
		method, path = []string{"PROPFIND", "TRACE", "DELETE", "PUT"}[i%4], "/v1/verifications/"+escaped
	case 8:
		path = "/entra/" + escaped + "/api/SendOtp"
	case 9:
		path = "/hooks/" + escaped + "/" + escaped
	case 10:
		path = "/callbacks/" + []string{escaped, "broken/" + escaped}[i%2]
	case 11:
		path = "/v2/Services/" + escaped + "/Verifications"
	case 12:
		path, fields = "/v1/numbers/lookup", map[string]any{"number": number, "country": text}
	case 13:
		path, fields = "/v1/deliveries", map[string]any{"to": number, "message": "Your code is " + text, "locale": text}
	case 14:
		path, fields = "/verify/"+escaped, map[string]any{word: text}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Error(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), method, r.server+path, strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
		return nil
	}
	line := strings.ReplaceAll(text, "\n", "")
	for _, h := range []string{"Idempotency-Key", "Accept-Language", "User-Agent", "X-Forwarded-For", "X-Request-Id", "Traceparent"} {
		q.Header.Set(h, line)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Authorization", "Bearer "+r.key)
	if i%10 == 9 {
		q.Header.Set("Authorization", "Bearer dnw_"+line)
	}
	return q
}

// wantBounded checks what a flood that got these statuses has added.
func (r *running) wantBounded(t *testing.T, before exposition, codes map[string]bool) {
	t.Helper()
	text := r.metrics(t)
	after := expose(t, text)
	if strings.Contains(strings.ToLower(text), oddMark) {
		t.Error("a label has text that a client made up")
	}
	digits := regexp.MustCompile(`\d{6}`)
	countries, methods := map[string]bool{}, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}
	others, requests := map[string]bool{}, 0
	for series, of := range after.series {
		if before.series[series] != nil {
			continue
		}
		if digits.MatchString(series) {
			t.Errorf("%s: that looks like a number or a code", series)
		}
		if country, has := of["country"]; has {
			countries[country] = true
			if !phone.IsRegion(country) && country != "none" {
				t.Errorf("%s: no country", series)
			}
		}
		if of[""] == "denwa_http_request_duration_seconds" {
			requests++
			if !codes[of["code"]] || !slices.Contains(methods, of["method"]) {
				t.Errorf("%s: nobody got that", series)
			}
			continue
		}
		if _, ofStore := of["op"]; ofStore {
			t.Errorf("%s didn't begin at zero", series)
		}
		delete(of, "country")
		others[fmt.Sprint(of)] = true
	}
	t.Logf("%d series, then %d, in %d countries; of requests %d", len(before.series), len(after.series), len(countries), requests)
	if len(codes) < 4 || len(countries) < 50 || requests == 0 || requests > 100 || len(others) > 40 {
		t.Errorf("the flood got %v; new series: %d of requests, %d others in %d countries: %v", codes, requests, len(others), len(countries), others)
	}
}

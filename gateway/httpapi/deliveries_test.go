package httpapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/providers"
)

const deliveries = "/v1/deliveries"

func TestDeliveries(t *testing.T) {
	c := newClient(newServer(t, nil))
	r := c.do(t, "POST", deliveries, `{"to":"090-1234-5678","message":"493817","valid_for":300,"reference":"r"}`)
	if r.StatusCode != http.StatusCreated || r.body["status"] != "accepted" || r.body["expires_at"] != "2026-04-01T00:05:00.123Z" {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	if strings.Contains(r.text, "493817") {
		t.Error("the reply repeats the text")
	}
	one := deliveries + "/" + r.id()
	if r := c.do(t, "GET", one, ""); r.StatusCode != http.StatusOK || r.body["reference"] != "r" {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	if r := c.do(t, "GET", one+"?wait=1", ""); r.StatusCode != http.StatusOK {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	other := c
	other.key = loginKey
	for _, r := range []reply{other.do(t, "GET", one, ""), c.do(t, "GET", deliveries+"/dl_x", "")} {
		if r.StatusCode != http.StatusNotFound || r.code() != "not_found" {
			t.Errorf("%d %s", r.StatusCode, r.text)
		}
	}
}

func TestDeliveriesRefuse(t *testing.T) {
	c := newClient(newServer(t, nil))
	for body, field := range map[string]string{
		`{"to":"090-1234-5678","message":"x","valid_for":0}`:      "valid_for",
		`{"to":"090-1234-5678","message":"x","valid_for":3601}`:   "valid_for",
		`{"to":"090-1234-5678","message":"x","valid_for":"5m"}`:   "valid_for",
		`{"to":"090-1234-5678","message":"x","valid_for":null}`:   "valid_for",
		`{"to":"090-1234-5678","message":["x"]}`:                  "message",
		`{"to":"090-1234-5678","message":"x","code":"123456"}`:    "code",
		`{"to":"090-1234-5678","message":"x","message":"y"}`:      "message",
		`{"to":"090-1234-5678","message":"x","Valid_For":60}`:     "Valid_For",
		`{"to":"090-1234-5678","message":"x","valid_for":12.5}`:   "valid_for",
		`{"to":"090-1234-5678","message":"x","valid_for":1e30}`:   "valid_for",
		`{"to":"090-1234-5678","message":"x","valid_for":-99999}`: "valid_for",
	} {
		if r := c.do(t, "POST", deliveries, body); r.StatusCode != http.StatusBadRequest || r.body["field"] != field {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.text)
		}
	}
}

func TestDeliveryFailedCarriesTheDelivery(t *testing.T) {
	fake := newFakeGateway()
	fake.fail = &gateway.Error{
		Code: gateway.CodeDeliveryFailed, Message: "no provider took it", Err: errors.New("private"),
		Dispatch: &gateway.Dispatch{
			ID: "dl_aaaqaaaex2k4mzq3trw5hcn6vjd2esgu", Status: providers.Failed, Channel: gateway.SMS,
			To: "+819012345678", ToMasked: "+81 90-****-5678", Country: "JP", NumberType: "mobile", Locale: "ja",
			CreatedAt: epoch, ExpiresAt: epoch,
		},
	}
	c := newClient(newServer(t, func(o *httpapi.Options) { o.Dispatcher = fake }))
	r := c.do(t, "POST", deliveries, `{"to":"090-1234-5678","message":"493817"}`)
	sent, _ := r.body["delivery"].(map[string]any)
	if r.StatusCode != http.StatusBadGateway || sent["status"] != "failed" || strings.Contains(r.text, "private") {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
}

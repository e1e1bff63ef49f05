package twilioverify_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"denwa/providers/providertest"
)

// nodeClient is Twilio's library for Node.
type nodeClient struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

func newNodeClient(t *testing.T, g *testGateway, user, password string) *nodeClient {
	t.Helper()
	node, folder := providertest.Node(t, "twilio")
	cmd := exec.Command(node, "testdata/client.cjs", folder, g.server.URL, account, user, password, service)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with its input
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &nodeClient{t, in, lines}
}

// nodeAnswer is what the library made of a reply.
type nodeAnswer struct {
	Results []map[string]any
	Types   []map[string]string
	Error   *struct {
		Status, Code      int
		Message, MoreInfo string
	}
}

func (n *nodeClient) do(op string, params map[string]any) nodeAnswer {
	n.t.Helper()
	request := map[string]any{"op": op}
	for k, v := range params {
		request[k] = v
	}
	line, err := json.Marshal(request)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.in.Write(append(line, '\n')); err != nil {
		n.t.Fatal(err)
	}
	if !n.out.Scan() {
		n.t.Fatalf("%s: no answer: %v", op, n.out.Err())
	}
	var a nodeAnswer
	if err := json.Unmarshal(n.out.Bytes(), &a); err != nil {
		n.t.Fatal(err)
	}
	return a
}

// one is do for what has one result.
func (n *nodeClient) one(op string, params map[string]any) (fields map[string]any, types map[string]string) {
	n.t.Helper()
	a := n.do(op, params)
	if a.Error != nil || len(a.Results) != 1 {
		n.t.Fatalf("%s: %+v", op, a)
	}
	return a.Results[0], a.Types[0]
}

type fields = map[string]any

// TestTwilioNode does everything with Twilio's library for Node.
func TestTwilioNode(t *testing.T) {
	g := newGateway(t, "", nil)
	n := newNodeClient(t, g, account, portalKey)
	expect := func(op string, params fields, want fields, types map[string]string) fields {
		t.Helper()
		got, is := n.one(op, params)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %v, want %v", op, name, got[name], value)
			}
		}
		for name, kind := range types {
			if is[name] != kind {
				t.Errorf("%s: %s is of type %s, want %s", op, name, is[name], kind)
			}
		}
		return got
	}
	refused := func(op string, params fields, status, code int) {
		t.Helper()
		if a := n.do(op, params); a.Error == nil || a.Error.Status != status || a.Error.Code != code || a.Error.Message == "" || a.Error.MoreInfo == "" {
			t.Errorf("%s: %+v", op, a)
		}
	}
	verification := map[string]string{
		"sid": "string", "valid": "boolean", "lookup": "object", "amount": "null", "payee": "null", "sendCodeAttempts": "Array",
		"dateCreated": "Date", "dateUpdated": "Date", "sna": "null", "url": "string",
	}
	v := expect("create", fields{
		"to": mobile, "channel": "sms", "locale": "en", "customFriendlyName": "Shop", "deviceIp": "192.0.2.1",
		"rateLimits": fields{"end_user": "x"}, "riskCheck": "enable", "tags": `{"a":"b"}`,
	}, fields{"status": "pending", "to": mobile, "channel": "sms", "valid": false, "serviceSid": service, "accountSid": account}, verification)
	code := g.code(mobile)
	check := map[string]string{
		"sid": "string", "valid": "boolean", "amount": "null", "payee": "null", "dateCreated": "Date", "dateUpdated": "Date", "snaAttemptsErrorCodes": "null",
	}
	expect("check", fields{"to": mobile, "code": wrong(code)}, fields{"sid": v["sid"], "status": "pending", "valid": false}, check)
	refused("create", fields{"to": mobile, "channel": "sms"}, 429, 60212)
	refused("create", fields{"to": mobile, "channel": "whatsapp"}, 400, 60204)
	g.clock.pass(31 * time.Second)
	again := expect("create", fields{"to": mobile, "channel": "call"}, fields{"sid": v["sid"], "channel": "call"}, verification)
	if attempts, _ := again["sendCodeAttempts"].([]any); len(attempts) != 2 {
		t.Errorf("%v", again)
	}
	expect("fetch", fields{"sid": mobile}, fields{"sid": v["sid"], "status": "pending"}, verification)
	expect("fetch", fields{"sid": v["sid"]}, fields{"sid": v["sid"], "status": "pending"}, verification)
	expect("check", fields{"verificationSid": v["sid"], "code": code}, fields{"status": "approved", "valid": true}, check)
	refused("check", fields{"to": mobile, "code": code}, 404, 20404)

	g.clock.pass(time.Second)
	other := expect("create", fields{"to": "+819011112222", "channel": "auto", "customCode": customCode}, nil, nil)
	expect("update", fields{"sid": other["sid"], "status": "canceled"}, fields{"status": "canceled"}, verification)

	// Three attempts in pages of one: the library follows next_page_url.
	all := n.do("attempts", fields{"pageSize": 1})
	if all.Error != nil || len(all.Results) != 3 {
		t.Fatalf("%+v", all)
	}
	for name, kind := range map[string]string{"conversionStatus": "string", "dateCreated": "Date", "dateUpdated": "Date", "channelData": "object", "price": "null"} {
		if all.Types[0][name] != kind {
			t.Errorf("attempts: %s is of type %s", name, all.Types[0][name])
		}
	}
	one := expect("attempt", fields{"sid": all.Results[1]["sid"]}, fields{"channel": "call", "conversionStatus": "converted", "verificationSid": v["sid"]}, nil)
	if data, _ := one["channelData"].(fields); data["to"] != mobile || data["country"] != "JP" {
		t.Errorf("%v", one)
	}
	now := g.clock.read()
	filter := fields{
		"dateCreatedAfter": now.Add(-time.Hour), "dateCreatedBefore": now.Add(time.Hour), "channelData.to": mobile, "country": "JP",
		"channel": "sms", "verifyServiceSid": service, "verificationSid": v["sid"], "status": "unconverted",
	}
	expect("attempts", filter, fields{"channel": "sms", "conversionStatus": "unconverted", "verificationSid": v["sid"]}, nil)
	expect("summary", fields{"dateCreatedAfter": now.Add(-time.Hour), "country": "JP", "verifyServiceSid": service},
		fields{"totalAttempts": 3.0, "totalConverted": 1.0, "totalUnconverted": 2.0, "conversionRatePercentage": "33.33"}, nil)

	expect("services", fields{}, fields{"sid": service, "friendlyName": "Example", "codeLength": 6.0}, nil)
	expect("service", nil, fields{"sid": service}, map[string]string{"customCodeEnabled": "boolean", "links": "object", "dateCreated": "null"})
	expect("createService", fields{"friendlyName": "Example"}, fields{"sid": service}, nil)
	refused("updateService", fields{"codeLength": 4}, 403, 20006)

	byKey := newNodeClient(t, g, apiKey, portalKey)
	byKey.one("service", nil)
	stranger := newNodeClient(t, g, account, otherKey)
	if a := stranger.do("service", nil); a.Error == nil || a.Error.Code != 20003 {
		t.Errorf("%+v", a)
	}
}

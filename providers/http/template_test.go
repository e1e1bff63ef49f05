package http

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func anything(string) bool { return true }

func TestDocument(t *testing.T) {
	v := values{"to": "+81", "text": "a\"b\\c\n\u2028</é😀", "valid_for": "600"}
	tests := []struct{ template, want string }{
		{`{"to":"{to}"}`, `{"to":"+81"}`},
		{` [ "{to}{to}" , 1.50, null,true, {"{to}" : "x{text}y"} ] `, ` [ "+81+81" , 1.50, null,true, {"{to}" : "xa\"b\\c\n\u2028</é😀y"} ] `},
		{`{"a":{"b":[{"c":"{to}"}],"d":"{to}"},"e":"{to}"}`, `{"a":{"b":[{"c":"+81"}],"d":"+81"},"e":"+81"}`},
		{`"{to}"`, `"+81"`},
		{`"\u007bto}"`, `"+81"`},
		{`{"n":"{valid_for:number}","s":"{valid_for}"}`, `{"n":600,"s":"600"}`},
		{`["{{to}}", "}}{{", ""]`, `["{to}", "}{", ""]`},
		{`12`, `12`},
		{`{"n":12345678901234567890}`, `{"n":12345678901234567890}`},
	}
	for _, tt := range tests {
		d, err := parseDocument(tt.template, anything)
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
			continue
		}
		if diff := cmp.Diff(tt.want, string(d.expand(v))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.template, diff)
		}
	}
	for _, broken := range []string{``, `{`, `{"to":{to}}`, `{} {}`, `{"a":"{to"}`, `{"a":"to}"}`, `{"a":"{t{o}"}`, `["{to:number}",]`, `{"a":"x{valid_for:number}`} {
		if _, err := parseDocument(broken, anything); err == nil {
			t.Errorf("%s is taken", broken)
		}
	}
	only := func(name string) bool { return name == "to" || name == "valid_for" }
	for _, broken := range []string{`"{code}"`, `"{to:number}"`, `"x{valid_for:number}"`, `"{secret:x}"`} {
		if _, err := parseDocument(broken, only); err == nil {
			t.Errorf("%s is taken", broken)
		}
	}
}

// FuzzDocument: whatever a message says, the request has the shape of its
// template, and says it.
func FuzzDocument(f *testing.F) {
	f.Add(`","x":"`, "+81")
	f.Add("\\\"}]\x00\u2029", "{text}")
	d, err := parseDocument(`{"a":[{"text":"{text}"}],"both":"<{to}|{text}>"}`, anything)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, to string) {
		text, to = strings.ToValidUTF8(text, "\uFFFD"), strings.ToValidUTF8(to, "\uFFFD")
		var got any
		if err := json.Unmarshal(d.expand(values{"text": text, "to": to}), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"a": []any{map[string]any{"text": text}}, "both": "<" + to + "|" + text + ">"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzTemplate: what is taken is expanded without a brace too many, and what
// isn't doesn't panic.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{a}{{b}}", "}}", "{", "{}", "{{{x}}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := parseTemplate(text, anything)
		if err != nil {
			return
		}
		escaped := strings.NewReplacer("{", "{{", "}", "}}").Replace(tmpl.expand(values{}, nil))
		again, err := parseTemplate(escaped, anything)
		if err != nil || again.expand(values{}, nil) != tmpl.expand(values{}, nil) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestAddress(t *testing.T) {
	a, err := parseAddress("https://x.example/{delivery}/send?k={delivery}&v=1", anything)
	if err != nil {
		t.Fatal(err)
	}
	got := a.expand(values{"delivery": "a/b?c&d=e f#%"})
	u, err := url.Parse(got)
	if err != nil || u.EscapedPath() != "/a%2Fb%3Fc&d=e%20f%23%25/send" || u.Query().Get("k") != "a/b?c&d=e f#%" || u.Query().Get("v") != "1" {
		t.Errorf("%s: %v", got, err)
	}
}

// TestPointer is the example of RFC 6901, section 5.
func TestPointer(t *testing.T) {
	value, err := decode([]byte(`{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"/foo/0": "bar", "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/m~0n": "8",
	} {
		if got, ok := (jsonFields{value}).field(pointer); !ok || got != want {
			t.Errorf("%s is %q, want %q", pointer, got, want)
		}
	}
	if got, _ := (jsonFields{value}).field("/" + " "); got != "7" {
		t.Errorf("the member called by a space is %q", got)
	}
	for _, pointer := range []string{"", "/foo", "/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/0/x", "/nothing", "/m~n", "foo", "/foo/99999999999999999999"} {
		if got, ok := (jsonFields{value}).field(pointer); ok {
			t.Errorf("%s is %q", pointer, got)
		}
	}
}

// FuzzReport: no report panics, and each that is understood names something.
func FuzzReport(f *testing.F) {
	f.Add("k=1", `{"results":[{"id":"m","status":"sent"}]}`)
	f.Add("id=m&status=sent", `id=m&status=sent`)
	f.Fuzz(func(t *testing.T, query, body string) {
		for _, cfg := range []ReceiptConfig{
			{Format: JSON, Items: "/results", MessageID: "/id", Status: "/status", ErrorCode: "/code"},
			{Format: Form, Delivery: "id", Status: "status"},
			{Format: Query, Delivery: "id", Status: "status"},
		} {
			r, err := newReports(cfg)
			if err != nil {
				t.Fatal(err)
			}
			all, err := r.parse(query, []byte(body))
			for _, one := range all {
				if err != nil || !idForm.MatchString(one.name) {
					t.Errorf("%+v, %v", one, err)
				}
			}
		}
	})
}

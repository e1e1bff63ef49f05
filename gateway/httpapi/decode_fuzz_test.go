package httpapi

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzDecode: what decode takes, encoding/json reads as a map of the same
// strings, no more and no less.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"number":"1"}`, ` { "number" : "\"}" , "country" : "\\" } `, `{"number":{"a":[1,"]"]}}`,
		`{"n\u0075mber":"1"}`, `{"number":"1","number":"2"}`, `null`, `[]`, `{"number":null}`, `{"":""}`, "{\"\xff\":1}", `{"number":"1"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in lookupBody
		if err := decode(data, &in, lookupSchema); err != nil {
			if strings.Contains(err.Error(), "json:") {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		var m map[string]string
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatalf("%q was taken, but %v", data, err)
		}
		number, given := m["number"]
		if given != (in.Number != nil) || given && number != *in.Number || m["country"] != in.Country {
			t.Errorf("%q was read as %+v", data, in)
		}
		for name := range m {
			if name != "number" && name != "country" {
				t.Errorf("%q has %q", data, name)
			}
		}
	})
}

package twiml

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/ivr"
)

var update = flag.Bool("update", false, "write the golden files")

const action = "https://verify.example.jp/callbacks/twilio-main/call/keys?delivery=vf_a.1&state=a0"

// steps are all steps that a call in some mode can have, by name.
func steps(mode ivr.Mode, locale string) map[string]ivr.Step {
	s := ivr.Script{Mode: mode, Locale: locale, Brand: `Example & "Söhne" <例>`, Digits: 6}
	if mode == ivr.ModeCode {
		s.Code = "012345"
	}
	judged := func(v ivr.Verdict) ivr.Step {
		st, _ := s.Begin()
		st, _, _, _ = s.Next(st, ivr.Input{Kind: ivr.Keys, Keys: "0#"})
		_, step, _, _ := s.Next(st, ivr.Input{Kind: ivr.Judged, Verdict: v})
		return step
	}
	st, begin := s.Begin()
	_, silent, _, _ := s.Next(st, ivr.Input{Kind: ivr.Silence})
	_, wrong, _, _ := s.Next(st, ivr.Input{Kind: ivr.Keys, Keys: "*"})
	_, zero, _, _ := s.Next(st, ivr.Input{Kind: ivr.Keys, Keys: "0"})
	return map[string]ivr.Step{
		"begin": begin, "silent": silent, "wrong": wrong, "zero": zero,
		"approved": judged(ivr.Approved), "denied": judged(ivr.Denied), "over": judged(ivr.Over),
	}
}

func TestGolden(t *testing.T) {
	for _, locale := range ivr.Locales() {
		for _, mode := range []ivr.Mode{ivr.ModeConfirm, ivr.ModeCode, ivr.ModeKeyed} {
			for name, step := range steps(mode, locale) {
				golden(t, filepath.Join(locale, string(mode)+"-"+name+".xml"), Render(step, DefaultVoice(locale), action))
			}
		}
	}
	s := ivr.Script{Mode: ivr.ModeConfirm, Locale: "ja", GreetingAudio: "https://example.jp/greeting.mp3?a=1&b=2"}
	_, step := s.Begin()
	golden(t, "audio.xml", Render(step, Voice{Language: "ja-JP", Name: "Polly.Kazuha-Neural"}, action))
	golden(t, "hang-up.xml", HangUp())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// A recording that Twilio can't fetch is spoken.
func TestAudioThatIsNoAddress(t *testing.T) {
	for audio, want := range map[string]bool{
		"https://example.jp/a.mp3": true, "http://example.jp/a.mp3": true,
		"": false, "greeting.wav": false, "/var/lib/a.wav": false, "file:///a.wav": false, "ftp://example.jp/a": false,
	} {
		got := Render(ivr.Step{Say: []ivr.Prompt{{Text: "hello", Audio: audio}}}, DefaultVoice("en"), "")
		if strings.Contains(got, "<Play>") != want || strings.Contains(got, "hello") == want {
			t.Errorf("%q is rendered as %s", audio, got)
		}
	}
}

// Whatever is said, the document is XML and says it.
func FuzzRender(f *testing.F) {
	f.Add("電話番号を確認", "", "#", "https://example.jp/?a=1&b=2", "Polly.Takumi-Neural")
	f.Add(`</Say><Dial>+1900</Dial>`, "https://x/</Play><Dial/>", `"/><Dial/>`, `"><Dial>`, `"><Dial>`)
	f.Add("%s%d\x00\xff", "http://%", "%", "%2F", "%v")
	f.Fuzz(func(t *testing.T, text, audio, finish, action, voice string) {
		for _, listen := range []*ivr.Listen{nil, {Max: 1, Finish: finish, Timeout: 10 * time.Second}} {
			step := ivr.Step{
				Say:    []ivr.Prompt{{Text: text, Pause: time.Second}, {Text: text, Audio: audio, Pause: time.Second}, {Text: text}},
				Listen: listen, HangUp: listen == nil,
			}
			doc := Render(step, Voice{Language: "ja-JP", Name: voice}, action)
			d := xml.NewDecoder(strings.NewReader(doc))
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%v in %s", err, doc)
				}
				element, ok := token.(xml.StartElement)
				if ok && !slices.Contains([]string{"Response", "Gather", "Say", "Play", "Hangup", "break"}, element.Name.Local) {
					t.Fatalf("<%s> in %s", element.Name.Local, doc)
				}
			}
		}
	})
}

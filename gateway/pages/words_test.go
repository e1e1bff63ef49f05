package pages

import (
	"encoding/json"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"denwa/gateway"
	"denwa/gateway/phone"
	"denwa/providers"
)

func loaded(t *testing.T) *languages {
	t.Helper()
	l, err := loadLanguages(localeFiles)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var (
	used = regexp.MustCompile(`\$?\.T "([^"]+)"`)
	gap  = regexp.MustCompile(`\{[a-z]+\}`)
)

// needed are the keys of all texts that a page may ask for.
func needed(t *testing.T) []string {
	t.Helper()
	keys := []string{
		"language", "again", "retry", "return", "time.seconds", "time.minutes", "time.hours", "time.days", "code.wrong", "code.form", "code.limited",
		"reason.country", "reason.type", "reason.emergency", "reason.toll_free", "wait.title", "keyed.title", "wait.over", "trouble.open",
		"method.sms", "method.voice", "method.sms.hint", "resend.sms", "resend.voice", "resend.other.sms", "resend.other.voice",
		"call.answered.confirm", "call.answered.keyed", "trouble.carrier",
		"number.title", "method.title", "code.title", "method.voice.confirm", "method.voice.code", "method.voice.keyed",
	}
	for _, s := range providers.MessageStatuses() {
		keys = append(keys, "sms."+string(s))
	}
	for _, s := range providers.CallStatuses() {
		keys = append(keys, "call."+string(s))
	}
	for _, ch := range []string{"sms", "voice"} {
		keys = append(keys, "obstacle."+ch+"."+string(gateway.ByApp), "obstacle."+ch+"."+string(gateway.ByGateway))
	}
	for _, o := range []gateway.Obstacle{gateway.ByExtension, gateway.ByFixedLine, gateway.ByVoIP} {
		keys = append(keys, "obstacle.sms."+string(o))
	}
	for _, r := range []phone.Reason{
		phone.Empty, phone.NotANumber, phone.Letters, phone.SeveralNumbers, phone.TooShort, phone.TooLong, phone.NoSuchNumber,
		phone.ShortNumber, phone.CarrierPrefix, phone.UnknownCountry, phone.UnknownRegion, phone.BadExtension,
	} {
		keys = append(keys, "reason."+string(r))
	}
	for key := range troubles {
		keys = append(keys, "trouble."+key, "trouble."+key+".text")
	}
	for _, name := range []string{"layout", "number", "method", "code", "wait", "sending", "done", "trouble"} {
		html, err := fs.ReadFile(pageFiles, "page/"+name+".html")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(html), -1) {
			keys = append(keys, m[1])
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// TestTexts: every language has each text that the pages ask for, no other, and
// the same gaps in it.
func TestTexts(t *testing.T) {
	l := loaded(t)
	want := needed(t)
	first := l.list[0]
	for _, w := range l.list {
		got := slices.Sorted(maps.Keys(w.texts))
		for _, key := range want {
			if w.texts[key] == "" {
				t.Errorf("%s lacks %s", w.Tag, key)
			}
		}
		for _, key := range got {
			if !slices.Contains(want, key) {
				t.Errorf("%s has %s, which no page asks for", w.Tag, key)
			}
			gaps, others := gap.FindAllString(w.texts[key], -1), gap.FindAllString(first.texts[key], -1)
			slices.Sort(gaps)
			slices.Sort(others)
			if !slices.Equal(gaps, others) {
				t.Errorf("%s: %s has %q, not %q", w.Tag, key, gaps, others)
			}
		}
	}
	if _, err := first.T("no.such.text"); err == nil {
		t.Error("a text that doesn't exist is no error")
	}
}

// TestMoreLanguages: one more file is one more language, countries included.
func TestMoreLanguages(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"ja", "en"} {
		data, err := localeFiles.ReadFile("locale/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		files["locale/"+name+".json"] = &fstest.MapFile{Data: data}
	}
	texts := map[string]string{"language": "Français"}
	data, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	files["locale/fr.json"] = &fstest.MapFile{Data: data}
	l, err := loadLanguages(files)
	if err != nil {
		t.Fatal(err)
	}
	for tags, want := range map[string]string{
		"fr-CA,en;q=0.5": "fr", "de, fr;q=0.3": "fr", "en-GB": "en", "ja-JP": "ja", "": "ja", "zh-TW": "ja", "*": "ja", "%%": "ja",
	} {
		if got := l.match("", tags).Tag; got != want {
			t.Errorf("%q: %s, want %s", tags, got, want)
		}
	}
	if got := l.match("en", "fr").Tag; got != "en" {
		t.Errorf("what the app asked for: %s", got)
	}
	i := slices.IndexFunc(l.find("fr").countries, func(c country) bool { return c.Code == "DE" })
	if de := l.find("fr").countries[i]; de.Name != "Allemagne" || !strings.Contains(de.Search, "ドイツ") || !strings.Contains(de.Search, "Germany") {
		t.Errorf("%+v", de)
	}
	for name, content := range map[string]string{"locale/xx-.json": "{}", "locale/de.json": "[]", "locale/de-DE.json": `{"a":1}`} {
		if _, err := loadLanguages(fstest.MapFS{name: {Data: []byte(content)}}); err == nil {
			t.Errorf("%s: %s is taken", name, content)
		}
	}
}

// TestEveryCountry that has phone numbers is in the list, once, with its code.
func TestEveryCountry(t *testing.T) {
	for _, w := range loaded(t).list {
		var codes []string
		for _, c := range w.countries {
			codes = append(codes, c.Code)
			if c.Dial == 0 || c.Name == "" || c.Name == c.Code {
				t.Errorf("%s: %+v", w.Tag, c)
			}
		}
		slices.Sort(codes)
		if !slices.Equal(codes, phone.Regions()) {
			t.Errorf("%s: %d countries of %d", w.Tag, len(codes), len(phone.Regions()))
		}
	}
}

func TestOffered(t *testing.T) {
	list := []country{{Code: "DE"}, {Code: "JP"}, {Code: "KR"}, {Code: "US"}}
	for _, c := range []struct {
		only            []string
		preferred, want string
	}{
		{nil, "JP", "JP DE KR US"},
		{nil, "DE", "DE JP KR US"},
		{nil, "XX", "DE JP KR US"},
		{[]string{"US", "JP"}, "JP", "JP US"},
		{[]string{"US"}, "JP", "US"},
	} {
		var got []string
		for _, o := range offered(list, c.only, c.preferred) {
			got = append(got, o.Code)
		}
		if strings.Join(got, " ") != c.want || list[0].Code != "DE" {
			t.Errorf("%v, %s: %v, want %s", c.only, c.preferred, got, c.want)
		}
	}
}

func TestDuration(t *testing.T) {
	en := loaded(t).find("en")
	for d, want := range map[time.Duration]string{
		-time.Second: "1\u00a0s", 0: "1\u00a0s", 29100 * time.Millisecond: "30\u00a0s", 90 * time.Second: "90\u00a0s", 91 * time.Second: "2\u00a0min",
		10 * time.Minute: "10\u00a0min", 2 * time.Hour: "120\u00a0min", 23*time.Hour + time.Minute: "24\u00a0h",
		48 * time.Hour: "48\u00a0h", 49 * time.Hour: "3\u00a0days", 30 * 24 * time.Hour: "30\u00a0days",
	} {
		if got := en.duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestSpaced(t *testing.T) {
	for digits, want := range map[string]string{"": "", "123": "123", "1234": "1 234", "123456": "123 456", "1234567890": "1 234 567 890"} {
		if got := spaced(digits); got != want {
			t.Errorf("%s: %s, want %s", digits, got, want)
		}
	}
}

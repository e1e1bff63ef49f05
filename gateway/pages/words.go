package pages

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// localeFiles are the pages' texts, one file for each language. A new language is
// one more file with the same keys.
//
//go:embed locale/*.json
var localeFiles embed.FS

// words are the texts of one language.
type words struct {
	Tag       string // BCP 47
	texts     map[string]string
	countries []country
}

// languages are all texts there are. The first is for whoever prefers none.
type languages struct {
	list    []*words
	matcher language.Matcher
}

// firstLanguage is for whoever prefers none of those there are.
const firstLanguage = "ja"

// loadLanguages reads every file of texts.
func loadLanguages(files fs.FS) (*languages, error) {
	names, err := fs.Glob(files, "locale/*.json")
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(names, func(a, b string) int {
		first := "locale/" + firstLanguage + ".json"
		return cmp.Compare(btoi(a != first), btoi(b != first))
	})
	l := &languages{}
	var tags []language.Tag
	aliases := map[string]string{}
	for _, name := range names {
		w, err := readWords(files, name, aliases)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		l.list = append(l.list, w)
		tags = append(tags, language.Make(w.Tag))
	}
	for i, w := range l.list {
		w.countries = countriesIn(tags[i], aliases)
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// readWords reads a file of texts. The aliases of countries in it are added to
// those of other languages: people search in more than one.
func readWords(files fs.FS, name string, aliases map[string]string) (*words, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".json"))
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	w := &words{Tag: tag.String(), texts: map[string]string{}}
	more := map[string]string{}
	for key, value := range raw {
		if key == "country.aliases" {
			err = json.Unmarshal(value, &more)
		} else {
			var text string
			err = json.Unmarshal(value, &text)
			w.texts[key] = text
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	for country, names := range more {
		aliases[country] += " " + names
	}
	return w, nil
}

// match is the language of the first tag that there are texts for. A tag may be
// a list, as in Accept-Language.
func (l *languages) match(tags ...string) *words {
	_, i := language.MatchStrings(l.matcher, tags...)
	return l.list[i]
}

// find is the language with exactly this tag, or nil.
func (l *languages) find(tag string) *words {
	for _, w := range l.list {
		if w.Tag == tag {
			return w
		}
	}
	return nil
}

// T is the text called key, with each {name} replaced by what follows it in args.
func (w *words) T(key string, args ...any) (string, error) {
	text, ok := w.texts[key]
	if !ok {
		return "", fmt.Errorf("there is no text %q in %s", key, w.Tag)
	}
	if len(args) == 0 {
		return text, nil
	}
	pairs := make([]string, len(args))
	for i, a := range args {
		pairs[i] = fmt.Sprint(a)
		if i%2 == 0 {
			pairs[i] = "{" + pairs[i] + "}"
		}
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// text is T where a missing text is better than no page.
func (w *words) text(key string, args ...any) string {
	text, err := w.T(key, args...)
	if err != nil {
		return key
	}
	return text
}

// duration is d as a person says it, rounded up: seconds, minutes, hours or days.
func (w *words) duration(d time.Duration) string {
	unit, key := time.Second, "time.seconds"
	switch {
	case d > 48*time.Hour:
		unit, key = 24*time.Hour, "time.days"
	case d > 2*time.Hour:
		unit, key = time.Hour, "time.hours"
	case d > 90*time.Second:
		unit, key = time.Minute, "time.minutes"
	}
	n := int(math.Ceil(float64(max(d, time.Second)) / float64(unit)))
	return w.text(key, "n", strconv.Itoa(n))
}

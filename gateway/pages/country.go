package pages

import (
	"slices"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"denwa/gateway/phone"
)

// country is one of the list on the page.
type country struct {
	Code   string // ISO 3166-1 alpha-2
	Name   string // in the page's language
	Dial   int    // calling code
	Search string // other names that it is found by
}

// countriesIn are all countries that have phone numbers, in the order of their
// names in a language. Each is found by its name in Japanese and English as well,
// and by aliases, which come by country.
func countriesIn(tag language.Tag, aliases map[string]string) []country {
	here, japanese, english := display.Regions(tag), display.Regions(language.Japanese), display.Regions(language.English)
	var list []country
	for _, code := range phone.Regions() {
		region, err := language.ParseRegion(code)
		if err != nil {
			continue // none is; a test counts them
		}
		list = append(list, country{
			Code: code, Name: here.Name(region), Dial: phone.CallingCode(code),
			Search: strings.TrimSpace(japanese.Name(region) + " " + english.Name(region) + " " + aliases[code]),
		})
	}
	byName := collate.New(tag)
	slices.SortStableFunc(list, func(a, b country) int { return byName.CompareString(a.Name, b.Name) })
	return list
}

// offered are those of list that an app serves, the preferred one first. It
// serves all if only is empty.
func offered(list []country, only []string, preferred string) []country {
	chosen := make([]country, 0, len(list))
	for _, c := range list {
		if len(only) == 0 || slices.Contains(only, c.Code) {
			chosen = append(chosen, c)
		}
	}
	if i := slices.IndexFunc(chosen, func(c country) bool { return c.Code == preferred }); i > 0 {
		first := chosen[i]
		copy(chosen[1:], chosen[:i])
		chosen[0] = first
	}
	return chosen
}

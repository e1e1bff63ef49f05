package phone

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write generated files again, from all there is")

// groupsFile is what groups a number on the page while it is typed.
const groupsFile = "../pages/page/japan.js"

// usualGroups are those of an area code with four digits, the 0 included. Beginnings
// that have them are left out of the file.
const usualGroups = "4-2-4"

// groupsDepth is after how many digits the groups of every number can be told.
const groupsDepth = 5

// groupsOf is how a Japanese number that begins so, without the 0, is written:
// how many digits are in each group; "" if it isn't grouped.
func groupsOf(beginning string) string {
	nsn := (beginning + "2345678901")[:japaneseDigits(beginning)]
	national, _ := strconv.ParseUint(nsn, 10, 64)
	code := int32(japanCode)
	text := phonenumbers.Format(&phonenumbers.PhoneNumber{CountryCode: &code, NationalNumber: &national}, phonenumbers.NATIONAL)
	var sizes []string
	for part := range strings.SplitSeq(text, "-") {
		sizes = append(sizes, strconv.Itoa(len(part)))
	}
	if len(sizes) == 1 {
		return ""
	}
	return strings.Join(sizes, "-")
}

// collect gathers the shortest beginnings whose numbers all have the same groups.
func collect(beginning string, into map[string][]string) (groups string, same bool) {
	if len(beginning) == groupsDepth {
		return groupsOf(beginning), true
	}
	type part struct {
		beginning, groups string
		same              bool
	}
	var parts []part
	for d := range 10 {
		next := beginning + strconv.Itoa(d)
		g, ok := collect(next, into)
		parts = append(parts, part{next, g, ok})
	}
	if !slices.ContainsFunc(parts, func(p part) bool { return !p.same || p.groups != parts[0].groups }) {
		return parts[0].groups, true
	}
	for _, p := range parts {
		if p.same && p.groups != usualGroups {
			into[p.groups] = append(into[p.groups], p.beginning)
		}
	}
	return "", false
}

func writeGroups(t *testing.T) {
	t.Helper()
	all := map[string][]string{}
	for d := 1; d < 10; d++ {
		if g, same := collect(strconv.Itoa(d), all); same && g != usualGroups {
			all[g] = append(all[g], strconv.Itoa(d))
		}
	}
	var js strings.Builder
	fmt.Fprintf(&js, `// Written by "go generate ./gateway/phone"; don't edit. How the digits of a Japanese
// number are grouped, the 0 included, by those that follow the 0; all others are %s.
export const usual = %q;
export const groups = {
`, usualGroups, usualGroups)
	for _, g := range slices.Sorted(maps.Keys(all)) {
		slices.Sort(all[g])
		fmt.Fprintf(&js, "  %q: %q,\n", g, strings.Join(all[g], " "))
	}
	js.WriteString("};\n")
	if err := os.WriteFile(groupsFile, []byte(js.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGroupsAreCurrent holds the file against the numbering plan: every beginning
// with -update, else some.
func TestGroupsAreCurrent(t *testing.T) {
	if *update {
		writeGroups(t)
	}
	js, err := os.ReadFile(groupsFile)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, line := range regexp.MustCompile(`"([0-9-]*)": "([0-9 ]+)"`).FindAllStringSubmatch(string(js), -1) {
		for beginning := range strings.FieldsSeq(line[2]) {
			known[beginning] = line[1]
		}
	}
	for range 300 {
		beginning := strconv.Itoa(10000 + rand.IntN(90000))
		got := usualGroups
		for n := 1; n <= len(beginning); n++ {
			if g, ok := known[beginning[:n]]; ok {
				got = g
			}
		}
		if want := groupsOf(beginning); got != want {
			t.Fatalf("0%s… is grouped %q, want %q: run go generate ./gateway/phone", beginning, got, want)
		}
	}
}

package phone

import (
	"maps"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Regions lists the countries whose numbers can be read, as ISO 3166-1 alpha-2,
// sorted. To ask about one, IsRegion is cheaper.
func Regions() []string {
	return slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions()))
}

// IsRegion reports whether region is one of [Regions]. It must be in upper case.
func IsRegion(region string) bool { return phonenumbers.GetSupportedRegions()[region] }

// regionOf reads Options.Region.
func regionOf(s string) (region string, ok bool) {
	if s == "" {
		return japan, true
	}
	if len(s) != 2 {
		return "", false
	}
	s = strings.ToUpper(s) // no copy if it is already
	return s, IsRegion(s)
}

package phone

import "github.com/nyaruka/phonenumbers"

// CallingCode is the country calling code of a region, such as 81 for JP; 0 for
// what isn't one of [Regions].
func CallingCode(region string) int { return phonenumbers.GetCountryCodeForRegion(region) }

package phone

import "testing"

func TestEveryRegionHasACode(t *testing.T) {
	for _, region := range Regions() {
		if code := CallingCode(region); code < 1 || code > 999 {
			t.Errorf("%s: %d", region, code)
		}
	}
	for region, want := range map[string]int{"JP": 81, "US": 1, "CA": 1, "AX": 358, "XX": 0, "": 0} {
		if got := CallingCode(region); got != want {
			t.Errorf("%s: %d, want %d", region, got, want)
		}
	}
}

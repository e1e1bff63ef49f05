package pages

import (
	"os"
	"strings"
	"testing"
)

// TestColorsCanBeRead whatever the operator chose: as text on the page, and under
// text on buttons.
func TestColorsCanBeRead(t *testing.T) {
	for _, hex := range []string{"#000000", "#ffffff", "#0b57a4", "#ffee00", "#e60012", "#777777", "#00a0e9", "#14171b", "#8fc31f"} {
		c := parseColor(hex)
		if c.String() != hex {
			t.Errorf("%s is read as %s", hex, c)
		}
		for _, theme := range []struct{ paper, ink rgb }{{lightPanel, black}, {darkPanel, white}} {
			shown := parseColor(c.readable(theme.paper, theme.ink).String())
			if got := contrast(shown, theme.paper); got < 4.5 {
				t.Errorf("%s on %s: %.2f", shown, theme.paper, got)
			}
			if got := contrast(shown, shown.on()); got < 4.5 {
				t.Errorf("%s under %s: %.2f", shown, shown.on(), got)
			}
		}
	}
	if got := contrast(black, white); got != 21 {
		t.Errorf("black and white: %v", got)
	}
	if got := parseColor("#0b57a4").readable(lightPanel, black).String(); got != "#0b57a4" {
		t.Errorf("a colour that can be read became %s", got)
	}
}

// TestPanelsAgree: the stylesheet and brand.go mean the same panel.
func TestPanelsAgree(t *testing.T) {
	css, err := os.ReadFile("page/pages.css")
	if err != nil {
		t.Fatal(err)
	}
	if want := "--panel: light-dark(" + lightPanel.String() + ", " + darkPanel.String() + ");"; !strings.Contains(string(css), want) {
		t.Errorf("pages.css has no %s", want)
	}
}

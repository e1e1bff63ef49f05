package browsertest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"
)

// look is a way of looking at a page.
type look struct {
	View
	name string
	// rules are axe-core's to hold the page against: "all", one, or none.
	rules string
	// always is whether it is looked at even if nobody wants pictures.
	always bool
}

var looks = []look{
	{View{Width: 320, Height: 640}, "320-light", "all", true},
	{View{Width: 390, Height: 844}, "390-light", "", false},
	{View{Width: 390, Height: 844, Dark: true}, "390-dark", "color-contrast", true},
	{View{Width: 1280, Height: 900}, "1280-light", "", true},
	{View{Width: 1280, Height: 900, Dark: true}, "1280-dark", "", false},
}

// Look looks at the page as people do, on phones and on a desktop, light and
// dark, and fails the test for what is wider than the screen and for each
// serious barrier that axe-core finds. Name is for the pictures, axe the path of
// axe.min.js, which .ci/setup installs.
func (t *Tab) Look(name, axe string) {
	t.tb.Helper()
	for _, l := range looks {
		if !l.always && shooting() == "" {
			continue
		}
		t.resize(l.View)
		if wide, _ := t.evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`).(bool); wide {
			t.tb.Errorf("%s, %s: the page is wider than the screen", name, l.name)
		}
		if l.rules != "" {
			t.axe(name+", "+l.name, axe, l.rules)
		}
		t.Shot(name+"-"+l.name, true)
	}
	t.resize(t.view)
}

// axe fails the test for each serious barrier that axe-core finds.
func (t *Tab) axe(name, script, rules string) {
	t.tb.Helper()
	if there, _ := t.evaluate(`"axe" in window`).(bool); !there {
		source, err := os.ReadFile(script) //nolint:gosec // G304: the test's own.
		if err != nil {
			missing(t.tb, "npm package axe-core (run .ci/setup)")
		}
		t.do("load axe-core", chromedp.Evaluate[chromedp.Void](string(source)))
	}
	only := ""
	if rules != "all" {
		only = `, runOnly: ["` + rules + `"]`
	}
	found := t.evaluate(`axe.run({resultTypes: ["violations"]` + only + `}).then(r => JSON.stringify(r.violations.map(v =>
		({impact: v.impact, id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.any.map(a => a.message).join("; "))}))))`)
	var violations []struct {
		Impact, ID, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(fmt.Sprint(found)), &violations); err != nil {
		t.tb.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.tb.Errorf("%s: axe: %s: %s\n%s", name, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
		}
	}
}

// shooting is the folder that pictures are written to; empty if none are wanted.
func shooting() string { return os.Getenv("DENWA_SCREENSHOTS") }

// Shot writes a picture into the folder that the variable DENWA_SCREENSHOTS
// names, if it does: of the whole page, or of what the window shows.
func (t *Tab) Shot(name string, whole bool) {
	t.tb.Helper()
	folder := shooting()
	if folder == "" {
		return
	}
	take := chromedp.CaptureScreenshot()
	if whole {
		take = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(t.ctx, take)
	if err != nil {
		t.tb.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		t.tb.Fatal(err)
	}
}

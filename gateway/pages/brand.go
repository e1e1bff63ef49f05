package pages

import (
	"fmt"
	"math"
	"strconv"
)

// rgb is a colour, 0 to 255 each.
type rgb [3]float64

func parseColor(hex string) rgb {
	n, _ := strconv.ParseUint(hex[1:], 16, 32) // the configuration is checked
	return rgb{float64(n >> 16 & 255), float64(n >> 8 & 255), float64(n & 255)}
}

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

// luminance and contrast are those of WCAG 2.2.
func (c rgb) luminance() float64 {
	var l float64
	for i, weight := range [3]float64{.2126, .7152, .0722} {
		v := c[i] / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + .05) / (min(la, lb) + .05)
}

// towards is c mixed with a share of other.
func (c rgb) towards(other rgb, share float64) rgb {
	for i := range c {
		c[i] += (other[i] - c[i]) * share
	}
	return c
}

var (
	black = rgb{}
	white = rgb{255, 255, 255}
	// What pages.css has as --panel, in its light and its dark theme. The colour
	// stands on --paper as well, where it is read better still.
	lightPanel = parseColor("#f4f6f8")
	darkPanel  = parseColor("#1e232a")
)

// legible is what text needs (WCAG 2.2, 1.4.3), and a little more for what
// rounding takes away.
const legible = 4.6

// readable is c, brought nearer to ink until it can be read on paper.
func (c rgb) readable(paper, ink rgb) rgb {
	for share := 0.0; ; share += .02 {
		if mixed := c.towards(ink, share); contrast(mixed, paper) >= legible || share >= 1 {
			return mixed
		}
	}
}

// on is what can be read on c.
func (c rgb) on() rgb {
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}

// colorSheet is the stylesheet of a brand's colour, "#rrggbb".
func colorSheet(hex string) string {
	c := parseColor(hex)
	light, dark := c.readable(lightPanel, black), c.readable(darkPanel, white)
	return fmt.Sprintf(":root{--accent:light-dark(%s,%s);--on-accent:light-dark(%s,%s)}\n", light, dark, light.on(), dark.on())
}

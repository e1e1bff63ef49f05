package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// render returns what a terminal shows after it was sent output: as much of a
// VT102 as verify uses.
func render(t *testing.T, output string) string {
	t.Helper()
	rows := [][]rune{nil}
	row, col := 0, 0
	var saved [2]int
	below := func() {
		if row++; row == len(rows) {
			rows = append(rows, nil)
		}
	}
	for in := []rune(output); len(in) > 0; {
		used := 1
		if in[0] == '\x1b' {
			used = 2
		}
		if used == 2 && in[1] == '[' { // parameters, then a final character
			used += 1 + slices.IndexFunc(in[2:], func(r rune) bool { return r >= '@' })
		}
		switch c := string(in[:used]); c {
		case "\n": // a terminal's driver makes it CR LF
			below()
			col = 0
		case "\r":
			col = 0
		case saveCursor:
			saved = [2]int{row, col}
		case restoreCursor:
			row, col = saved[0], saved[1]
		case strings.TrimSuffix(lineUp, "\r"):
			row--
		case strings.TrimSuffix(lineDown, "\r"):
			row = min(row+1, len(rows)-1)
		case deleteLine:
			rows = append(append(rows[:row:row], rows[row+1:]...), nil)
		case clearLine:
			rows[row] = nil
		case clearBelow:
			rows = append(rows[:row:row], rows[row][:min(col, len(rows[row]))])
		default:
			if used > 1 {
				t.Fatalf("no terminal is asked for %q", c)
			}
			for len(rows[row]) <= col {
				rows[row] = append(rows[row], ' ')
			}
			rows[row][col] = in[0]
			col++
		}
		in = in[used:]
	}
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = strings.TrimRight(string(r), " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// Where a screen can't be redrawn, hints come with each prompt, and no control
// sequence does.
func TestDumbTerminal(t *testing.T) {
	var out strings.Builder
	term := terminal{out: &out, interactive: true}
	term.show("sent", "r + Enter sends it again, in 3 s", "Code: ")
	term.show("sent", "r + Enter sends it again, in 2 s", "Code: ")
	out.WriteString("1\n")
	term.entered()
	term.say("That isn't the code.")
	term.show("sent", "r + Enter sends it again, in 1 s", "Code: ")
	term.show("delivered", "r + Enter sends it again", "Code: ")
	term.clear()
	want := `Sent.
r + Enter sends it again, in 3 s
Code: 1
That isn't the code.
r + Enter sends it again, in 1 s
Code: 
Delivered.
r + Enter sends it again
Code: 
`
	if out.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", out.String(), want)
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0 s",
		time.Millisecond:                 "1 s",
		90 * time.Second:                 "90 s",
		90*time.Second + 1:               "2 min",
		10 * time.Minute:                 "10 min",
		90*time.Minute + time.Nanosecond: "2 h",
		23*time.Hour + time.Minute:       "24 h",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%v) = %q, want %q", d, got, want)
		}
	}
}

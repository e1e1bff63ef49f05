package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// terminal is where a person, or a script, answers. On a screen that can be
// redrawn a status line stands above the prompt and keeps counting while the
// person types; elsewhere only news is printed, a line each.
type terminal struct {
	lines       <-chan string // what was typed; closed at the end of the input
	out         io.Writer
	interactive bool // a person answers
	live        bool // out can be redrawn

	drawn  bool // status and prompt stand there
	status string
	news   string
}

// newTerminal reads from in until ctx ends. The goroutine that reads may
// outlive ctx, by one line that nobody waits for.
func newTerminal(ctx context.Context, in io.Reader, out io.Writer) *terminal {
	t := &terminal{lines: readLines(ctx, in), out: out, interactive: isTerminal(in)}
	t.live = t.interactive && isTerminal(out) && cmp.Or(os.Getenv("TERM"), "dumb") != "dumb"
	return t
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// readLines sends each line of r, without the space around it.
func readLines(ctx context.Context, r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			select {
			case lines <- strings.TrimSpace(s.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// The control sequences that redraw two lines: status above, prompt below with
// the cursor in it. They are the ones that every terminal since the VT100 or
// VT102 knows.
const (
	saveCursor    = "\x1b7"
	restoreCursor = "\x1b8"
	lineUp        = "\x1b[1A\r"
	lineDown      = "\x1b[1B\r"
	deleteLine    = "\x1b[M"
	clearLine     = "\x1b[2K"
	clearBelow    = "\x1b[J"
)

// show makes status (news and a hint) and prompt be seen. It may be called as
// often as anything may have changed. In the instant between Enter and entered,
// it draws a line too low, which only looks odd; to exclude that, the terminal
// would have to be raw.
func (t *terminal) show(news, hint, prompt string) {
	if !t.live {
		if news != t.news && news != "" {
			t.say(sentence(news))
		}
		t.news = news
		if t.interactive && !t.drawn {
			if hint != "" {
				fmt.Fprintln(t.out, hint)
			}
			fmt.Fprint(t.out, prompt)
			t.drawn = true
		}
		return
	}
	status := news
	if hint != "" {
		status += " · " + hint
	}
	switch {
	case !t.drawn:
		fmt.Fprint(t.out, status, "\n", prompt)
	case status != t.status:
		fmt.Fprint(t.out, saveCursor, lineUp, clearLine, status, restoreCursor)
	}
	t.drawn, t.status = true, status
}

// entered is to be called when a line has been typed: the prompt and what was
// typed stay, the status goes.
func (t *terminal) entered() {
	if t.live && t.drawn {
		fmt.Fprint(t.out, lineUp, lineUp, deleteLine, lineDown)
	}
	t.drawn = false
}

// say prints a line, above status and prompt if they are there.
func (t *terminal) say(line string) {
	t.clear()
	fmt.Fprintln(t.out, line)
}

// clear takes status and prompt away.
func (t *terminal) clear() {
	switch {
	case t.drawn && t.live:
		fmt.Fprint(t.out, "\r", clearLine, lineUp, clearBelow)
	case t.drawn:
		fmt.Fprintln(t.out)
	}
	t.drawn = false
}

// sentence gives text a capital and a period.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// inWords is a duration as a person waits for it, never too short: "28 s",
// "12 min", "3 h".
func inWords(d time.Duration) string {
	up := func(unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
	switch {
	case d <= 90*time.Second:
		return fmt.Sprintf("%d s", up(time.Second))
	case d <= 90*time.Minute:
		return fmt.Sprintf("%d min", up(time.Minute))
	default:
		return fmt.Sprintf("%d h", up(time.Hour))
	}
}

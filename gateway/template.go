package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// template is a compiled SMS text. It is plain text with {brand}, {code} and
// {minutes}; {code} stands in it exactly once. A line that begins with
// {optional} is left out where the message would be too long with it.
//
// It holds no link, because carriers drop messages that do, and no control
// character but line breaks.
type template struct {
	variants [][]piece // the whole text; then, if it differs, without its optional lines
}

// piece is a placeholder, or the text between two.
type piece struct {
	text  string
	field string
}

// The placeholders.
const (
	brandField   = "brand"
	codeField    = "code"
	minutesField = "minutes"

	optionalMark = "{optional}"
)

var errLink = errors.New("has a link, and carriers drop messages with links: name the service in words")

// compile reads a template. Its errors say what to write instead.
func compile(text string) (*template, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if err := checkText(text, true); err != nil {
		return nil, err
	}
	var t template
	var whole, short []string
	for line := range strings.SplitSeq(text, "\n") {
		rest, optional := strings.CutPrefix(line, optionalMark)
		if strings.Contains(rest, optionalMark) {
			return nil, errors.New("{optional} belongs at the beginning of a line")
		}
		whole = append(whole, rest)
		if !optional {
			short = append(short, line)
		} else if strings.Contains(rest, "{"+codeField+"}") {
			return nil, errors.New("{code} can't be on an {optional} line: the message would be sent without it")
		}
	}
	for _, lines := range [][]string{whole, short} {
		if len(t.variants) > 0 && len(lines) == len(whole) {
			break
		}
		pieces, err := parsePieces(strings.TrimSpace(strings.Join(lines, "\n")))
		if err != nil {
			return nil, err
		}
		t.variants = append(t.variants, pieces)
	}
	return &t, nil
}

// parsePieces cuts text at its placeholders.
func parsePieces(text string) ([]piece, error) {
	var pieces []piece
	codes := 0
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			pieces = append(pieces, piece{text: text})
			break
		}
		if i > 0 {
			pieces = append(pieces, piece{text: text[:i]})
		}
		name, rest, closed := strings.Cut(text[i+1:], "}")
		if text[i] == '}' || !closed || strings.ContainsAny(name, "{\n") {
			return nil, errors.New("has a brace without its other half: write {brand}, {code} or {minutes}, and round brackets elsewhere")
		}
		switch name {
		case codeField:
			codes++
		case brandField, minutesField:
		default:
			return nil, unknownPlaceholder(name)
		}
		pieces = append(pieces, piece{field: name})
		text = rest
	}
	if codes != 1 {
		return nil, fmt.Errorf("has {code} %d times: write it exactly once", codes)
	}
	return pieces, nil
}

func unknownPlaceholder(name string) error {
	for _, known := range []string{brandField, codeField, minutesField} {
		if strings.EqualFold(strings.TrimSpace(name), known) {
			return fmt.Errorf("has the unknown placeholder {%s}: write {%s}", name, known)
		}
	}
	return fmt.Errorf("has the unknown placeholder {%s}: write {brand}, {code} or {minutes}", name)
}

// render writes pieces with the values of t, and end after them.
func render(pieces []piece, t Text, end string) string {
	var b strings.Builder
	b.Grow(256)
	for _, p := range pieces {
		switch p.field {
		case brandField:
			b.WriteString(t.Brand)
		case codeField:
			b.WriteString(t.Code)
		case minutesField:
			b.WriteString(strconv.Itoa(t.Minutes))
		default:
			b.WriteString(p.text)
		}
	}
	b.WriteString(end)
	return b.String()
}

// checkText refuses what a carrier would change, drop, or not send.
func checkText(s string, lines bool) error {
	if s == "" {
		return errors.New("is empty")
	}
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	for _, r := range s {
		if lines && r == '\n' {
			continue
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			if lines {
				return fmt.Errorf("has the control character %U: remove it", r)
			}
			return fmt.Errorf("has a line break or control character (%U): remove it", r)
		}
	}
	if hasLink(s) {
		return errLink
	}
	return nil
}

// link matches what phones and carriers take for a link: a scheme, www., or a
// domain that goes on with a path.
var link = regexp.MustCompile(`(?i)https?://|\bwww\.|[a-z0-9-]\.[a-z][a-z0-9-]+(:[0-9]+)?/`)

func hasLink(s string) bool { return link.MatchString(s) }

package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// values are what placeholders stand for in one request.
type values map[string]string

// template is a text with placeholders: literals and names in turn, beginning
// and ending with a literal.
type template struct{ parts []string }

var errBrace = errors.New(`has a brace that is no placeholder; write {{ or }} for a brace`)

// parseTemplate reads a template. allowed says which placeholders it may hold.
func parseTemplate(text string, allowed func(name string) bool) (template, error) {
	t := template{parts: []string{""}}
	literal := func(s string) { t.parts[len(t.parts)-1] += s }
	for {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			literal(text)
			return t, nil
		}
		literal(text[:i])
		brace, rest := text[i:i+1], text[i+1:]
		if strings.HasPrefix(rest, brace) {
			literal(brace)
			text = rest[1:]
			continue
		}
		name, after, ok := strings.Cut(rest, "}")
		if brace == "}" || !ok || strings.Contains(name, "{") {
			return template{}, errBrace
		}
		if !allowed(name) {
			return template{}, fmt.Errorf("can't hold {%s} here; write {{ or }} for a brace", name)
		}
		t.parts = append(t.parts, name, "")
		text = after
	}
}

// expand puts values in, each encoded; encode may be nil.
func (t template) expand(v values, encode func(string) string) string {
	var out strings.Builder
	for i, part := range t.parts {
		if i%2 == 1 {
			part = v[part]
			if encode != nil {
				part = encode(part)
			}
		}
		out.WriteString(part)
	}
	return out.String()
}

// address is a URL whose path and query may hold placeholders. What they stand
// for can't become a separator.
type address struct{ path, query template }

func parseAddress(text string, allowed func(name string) bool) (address, error) {
	path, query, asked := strings.Cut(text, "?")
	p, err := parseTemplate(path, allowed)
	if err != nil {
		return address{}, err
	}
	q, err := parseTemplate(query, allowed)
	if asked {
		q.parts[0] = "?" + q.parts[0]
	}
	return address{p, q}, err
}

func (a address) expand(v values) string {
	return a.path.expand(v, url.PathEscape) + a.query.expand(v, url.QueryEscape)
}

// document is a JSON value whose strings may hold placeholders. It is kept as
// text with holes, so that members keep their order and numbers their digits.
type document struct {
	literals []string // raw JSON around the holes
	holes    []hole
}

// hole is a string of a document, or a number in the place of one.
type hole struct {
	text   template
	number bool
}

const numberSuffix = ":number"

// parseDocument reads a JSON document. The names of members hold no placeholders.
func parseDocument(text string, allowed func(name string) bool) (document, error) {
	if !json.Valid([]byte(text)) {
		return document{}, errors.New("must be one JSON value")
	}
	d := document{literals: []string{""}}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var within []json.Delim // what is open
	name := false           // whether the next string is a member's name
	for taken := int64(0); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			d.literals[len(d.literals)-1] += text[taken:]
			return d, nil
		}
		if err != nil {
			return document{}, errors.New("must be one JSON value")
		}
		raw := text[taken:decoder.InputOffset()]
		taken = decoder.InputOffset()
		value := !name
		switch token {
		case json.Delim('{'), json.Delim('['):
			within = append(within, token.(json.Delim)) //nolint:forcetypeassert // it is one of the two
			name = token == json.Delim('{')
		case json.Delim('}'), json.Delim(']'):
			within = within[:len(within)-1]
			name = len(within) > 0 && within[len(within)-1] == '{'
		default:
			name = len(within) > 0 && within[len(within)-1] == '{' && !name
		}
		content, isString := token.(string)
		if !isString || !value {
			d.literals[len(d.literals)-1] += raw
			continue
		}
		h, err := parseHole(content, allowed)
		if err != nil {
			return document{}, err
		}
		// Before the string's quotation mark are separators and spaces only.
		d.literals[len(d.literals)-1] += raw[:strings.IndexByte(raw, '"')]
		d.literals = append(d.literals, "")
		d.holes = append(d.holes, h)
	}
}

func parseHole(text string, allowed func(name string) bool) (hole, error) {
	if name, ok := strings.CutSuffix(text, numberSuffix+"}"); ok && name == "{valid_for" && allowed("valid_for") {
		return hole{template{[]string{"", "valid_for", ""}}, true}, nil
	}
	t, err := parseTemplate(text, allowed)
	return hole{text: t}, err
}

// expand is the document with values put in.
func (d document) expand(v values) []byte {
	var out bytes.Buffer
	for i, literal := range d.literals {
		out.WriteString(literal)
		if i == len(d.holes) {
			break
		}
		text := d.holes[i].text.expand(v, nil)
		if d.holes[i].number {
			out.WriteString(text)
		} else {
			out.WriteString(quote(text))
		}
	}
	return out.Bytes()
}

// quote is text as a JSON string (RFC 8259, 7). It leaves < > & as they are:
// this is no HTML, and some aggregators count the bytes.
func quote(text string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always can be
	return strings.TrimSuffix(out.String(), "\n")
}

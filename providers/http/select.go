package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// selector finds one value in a reply: by a JSON pointer (RFC 6901), which is
// empty or begins with a slash, or by a regular expression with one group.
// Without either it finds nothing.
type selector struct {
	pointer []string // nil for none
	pattern *regexp.Regexp
}

// parseSelector reads a selector; the empty text finds nothing.
func parseSelector(text string) (selector, error) {
	if text == "" {
		return selector{}, nil
	}
	if strings.HasPrefix(text, "/") {
		pointer, err := parsePointer(text)
		return selector{pointer: pointer}, err
	}
	pattern, err := regexp.Compile(text)
	if err != nil || pattern.NumSubexp() != 1 {
		return selector{}, errors.New("must be a JSON pointer, such as /messages/0/id, or a regular expression with one group")
	}
	return selector{pattern: pattern}, nil
}

// none reports whether s finds nothing by intention.
func (s selector) none() bool { return s.pointer == nil && s.pattern == nil }

// find returns the value in a body.
func (s selector) find(b body) (string, bool) {
	if s.pattern != nil {
		if found := s.pattern.FindSubmatch(b.raw); found != nil {
			return string(found[1]), true
		}
		return "", false
	}
	if s.pointer == nil || !b.isJSON {
		return "", false
	}
	value, ok := resolve(b.json, s.pointer)
	if !ok {
		return "", false
	}
	return scalar(value)
}

// body is a reply or report as it came, and as JSON if it is.
type body struct {
	raw    []byte
	json   any
	isJSON bool
}

func readBody(raw []byte) body {
	value, err := decode(raw)
	return body{raw, value, err == nil}
}

// decode reads exactly one JSON value. Numbers keep their digits: ids don't fit
// a float.
func decode(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON value")
	}
	return value, nil
}

// parsePointer reads a JSON pointer (RFC 6901, 3).
func parsePointer(text string) ([]string, error) {
	if text == "" {
		return []string{}, nil
	}
	if !strings.HasPrefix(text, "/") {
		return nil, errors.New("must be a JSON pointer, such as /message/id")
	}
	names := strings.Split(text[1:], "/")
	for i, name := range names {
		plain := strings.NewReplacer("~0", "", "~1", "").Replace(name)
		if strings.Contains(plain, "~") {
			return nil, fmt.Errorf("has a ~ that is neither ~0 nor ~1 in %q", name)
		}
		names[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	}
	return names, nil
}

// resolve evaluates a JSON pointer (RFC 6901, 4).
func resolve(value any, pointer []string) (any, bool) {
	for _, name := range pointer {
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[name]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			i, err := strconv.ParseUint(name, 10, 16)
			if err != nil || i >= uint64(len(v)) || name != strconv.FormatUint(i, 10) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// scalar is the text of a string, number or boolean.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// fields are the fields of one report.
type fields interface {
	field(name string) (string, bool)
}

// jsonFields are named by JSON pointers.
type jsonFields struct{ value any }

func (f jsonFields) field(name string) (string, bool) {
	pointer, err := parsePointer(name) // validated
	if err != nil {
		return "", false
	}
	value, ok := resolve(f.value, pointer)
	if !ok {
		return "", false
	}
	return scalar(value)
}

// formFields are named as they are; the first value counts.
type formFields url.Values

func (f formFields) field(name string) (string, bool) {
	return url.Values(f).Get(name), url.Values(f).Has(name)
}

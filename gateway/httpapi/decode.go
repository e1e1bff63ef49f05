package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"denwa/gateway"
)

// schema is the JSON names of a body's fields.
type schema []string

// schemaOf returns the schema of a flat struct. At most 64 fields.
func schemaOf[T any]() schema {
	t := reflect.TypeFor[T]()
	s := make(schema, t.NumField())
	for i := range s {
		s[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return s
}

// decode reads one JSON object into v, a flat struct whose fields s lists.
//
// It is stricter than encoding/json, which takes names in any case, takes a
// name twice, and skips null: each of those hides a mistake until it costs
// someone a message. Nesting needs no bound of its own: encoding/json scans
// without recursion, and no field of an unknown name or wrong type is decoded.
func decode(data []byte, v any, s schema) error {
	if !utf8.Valid(data) {
		return refuse("", "the body is not UTF-8")
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return s.check(data)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return refuse("", "the body is not valid JSON: %s, at byte %d", syntax, syntax.Offset)
	}
	if err := s.check(data); err != nil {
		return err
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return refuse(typ.Field, "%s must be %s, not %s", typ.Field, kindName(typ.Type.Kind()), valueName(typ.Value))
	}
	return err
}

// check refuses names that s doesn't hold, repeated names, and nulls. data is
// valid JSON.
func (s schema) check(data []byte) error {
	data = bytes.TrimLeft(data, " \t\r\n")
	if data[0] != '{' {
		return refuse("", "the body must be a JSON object")
	}
	var seen uint64
	for rest := data[1:]; ; {
		rest = bytes.TrimLeft(rest, " \t\r\n,")
		if rest[0] == '}' {
			return nil
		}
		n := stringEnd(rest)
		name := memberName(rest[:n])
		rest = bytes.TrimLeft(rest[n:], " \t\r\n:")
		i := s.index(name)
		switch {
		case i < 0:
			return s.unknown(name)
		case seen&(1<<i) != 0:
			return refuse(name, "%s is given twice", name)
		case rest[0] == 'n':
			return refuse(name, "%s must not be null; leave it out instead", name)
		}
		seen |= 1 << i
		rest = rest[valueEnd(rest):]
	}
}

func (s schema) index(name string) int {
	for i := range s {
		if s[i] == name {
			return i
		}
	}
	return -1
}

func (s schema) unknown(name string) error {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "")
	}
	if near := s.near(name); near != "" {
		return refuse(name, "unknown field %q; did you mean %q?", name, near)
	}
	return refuse(name, "unknown field %q", name)
}

// near returns the field that name was probably meant to be, or "".
func (s schema) near(name string) string {
	best, found := 1+len(name)/3, ""
	for _, field := range s {
		if d := distance(strings.ToLower(name), field); d <= best {
			best, found = d-1, field
		}
	}
	return found
}

// distance is the Levenshtein distance, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// memberName unquotes a member's name.
func memberName(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // valid already
	return name
}

// stringEnd is the length of the JSON string that data begins with.
func stringEnd(data []byte) int {
	i := 1
	for data[i] != '"' {
		if data[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

// valueEnd is the length of the JSON value that data begins with, up to the
// comma or brace that follows it.
func valueEnd(data []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch data[i] {
		case '"':
			i += stringEnd(data[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
}

// kindName names the JSON type that a Go kind is read from.
func kindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}

// valueName names a JSON value as encoding/json describes it in an error.
func valueName(v string) string {
	switch kind, _, _ := strings.Cut(v, " "); kind {
	case "bool":
		return "true or false"
	case "array", "object":
		return "an " + kind
	default:
		return "a " + kind
	}
}

// checkMediaType refuses a body that isn't plain JSON.
func checkMediaType(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return &httpError{status: http.StatusUnsupportedMediaType, detail: "the body must not be compressed"}
	}
	contentType := h.Get("Content-Type")
	if contentType == "application/json" {
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	if err != nil || media != "application/json" || given && !strings.EqualFold(charset, "utf-8") {
		return &httpError{status: http.StatusUnsupportedMediaType, detail: "the Content-Type must be application/json"}
	}
	return nil
}

// refuse is the error for a request of the wrong form.
func refuse(field, format string, args ...any) error {
	return &gateway.Error{Code: gateway.CodeInvalidRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}

package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openAPI []byte

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS []byte

// docs serves the specification and a page to read it.
type docs struct {
	// html is rendered when it is first asked for: most instances never are.
	html func() ([]byte, error)
}

func newDocs() *docs { return &docs{html: sync.OnceValues(renderDocs)} }

func (d *docs) specification(c echo.Context) error {
	return serveStatic(c, "application/yaml", openAPI)
}

func (d *docs) style(c echo.Context) error {
	return serveStatic(c, "text/css; charset=utf-8", docsCSS)
}

func (d *docs) page(c echo.Context) error {
	html, err := d.html()
	if err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	return serveStatic(c, "text/html; charset=utf-8", html)
}

// serveStatic serves what only changes with the program.
func serveStatic(c echo.Context, contentType string, data []byte) error {
	sum := sha256.Sum256(data)
	h := c.Response().Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache") // that is: ask whether the tag still holds.
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(data))
	return nil
}

// renderDocs makes the page from the specification.
func renderDocs() ([]byte, error) {
	var spec specification
	if err := yaml.Unmarshal(openAPI, &spec); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	page, err := template.New("docs").Funcs(template.FuncMap{
		"paragraphs": func(s string) []string { return strings.Split(strings.TrimSpace(s), "\n\n") },
		"spans":      func(s string) []string { return strings.Split(s, "`") }, // each other one is code
		"odd":        func(i int) bool { return i%2 == 1 },
		"json":       indented,
		"parameter":  func(p parameter) parameter { return resolve(spec.Components.Parameters, p, p.Ref) },
		"response":   func(r response) response { return resolve(spec.Components.Responses, r, r.Ref) },
	}).Parse(docsHTML)
	if err != nil {
		return nil, fmt.Errorf("read docs.html: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, spec); err != nil {
		return nil, fmt.Errorf("render docs.html: %w", err)
	}
	return b.Bytes(), nil
}

// resolve returns v, or what v is a reference to.
func resolve[T any](components ordered[T], v T, ref string) T {
	for _, c := range components {
		if ref != "" && c.Name == refName(ref) {
			return c.Value
		}
	}
	return v
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// indented is an example as it goes over the wire, its members in the order in
// which the specification has them. Text that isn't JSON is shown as it is.
func indented(n yaml.Node) (string, error) {
	if n.Kind == yaml.ScalarNode {
		return n.Value, nil
	}
	compact, err := appendJSON(nil, &n)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = json.Indent(&b, compact, "", "  ")
	return b.String(), err
}

func appendJSON(b []byte, n *yaml.Node) ([]byte, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		text, err := json.Marshal(v)
		return append(b, text...), err
	}
	opening, closing := byte('['), byte(']')
	if n.Kind == yaml.MappingNode {
		opening, closing = '{', '}'
	}
	b = append(b, opening)
	for i, child := range n.Content {
		switch {
		case i == 0:
		case n.Kind == yaml.MappingNode && i%2 == 1:
			b = append(b, ':')
		default:
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(b, child); err != nil {
			return nil, err
		}
	}
	return append(b, closing), nil
}

// The parts of an OpenAPI document that the page shows.
type (
	specification struct {
		Info       struct{ Title, Version, Summary, Description string }
		Tags       []struct{ Name, Description string }
		Paths      ordered[pathItem]
		Components struct {
			Parameters ordered[parameter]
			Responses  ordered[response]
			Schemas    ordered[schemaDoc]
		}
	}
	pathItem struct {
		Parameters []parameter
		Get, Post  *operation
	}
	operation struct {
		ID                   string `yaml:"operationId"`
		Summary, Description string
		Tags                 []string
		Parameters           []parameter
		RequestBody          *struct {
			Required bool
			Content  ordered[media]
		} `yaml:"requestBody"`
		Responses ordered[response]
	}
	parameter struct {
		Ref                   string `yaml:"$ref"`
		Name, In, Description string
		Required              bool
		Schema                schemaDoc
	}
	response struct {
		Ref         string `yaml:"$ref"`
		Description string
		Content     ordered[media]
	}
	media struct {
		Schema   schemaDoc
		Example  yaml.Node
		Examples ordered[struct {
			Summary string
			Value   yaml.Node
		}]
	}
	schemaDoc struct {
		Ref                       string `yaml:"$ref"`
		Type, Format, Description string
		Enum                      []string
		Required                  []string
		Properties                ordered[schemaDoc]
		Items                     *schemaDoc
	}
)

// Operations lists the operations of p by method.
func (p pathItem) Operations() ordered[*operation] {
	var o ordered[*operation]
	if p.Get != nil {
		o = append(o, named[*operation]{"GET", p.Get})
	}
	if p.Post != nil {
		o = append(o, named[*operation]{"POST", p.Post})
	}
	return o
}

// RefName is the name of the schema that s refers to, or "".
func (s schemaDoc) RefName() string { return refName(s.Ref) }

// Requires reports whether an object must have a member.
func (s schemaDoc) Requires(name string) bool {
	for _, r := range s.Required {
		if r == name {
			return true
		}
	}
	return false
}

// ordered is a YAML mapping in the order in which it is written.
type ordered[T any] []named[T]

type named[T any] struct {
	Name  string
	Value T
}

// UnmarshalYAML reads a mapping.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		n := named[T]{Name: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&n.Value); err != nil {
			return err
		}
		*o = append(*o, n)
	}
	return nil
}

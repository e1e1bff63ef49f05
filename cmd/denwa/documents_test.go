package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"denwa/providers"
)

// top is the root of the repository.
const top = "../.."

// page is a Markdown file, in the parts that can be right or wrong.
type page struct {
	path     string // from the root
	headings []heading
	links    []link
	blocks   []block  // of code
	spans    []string // of code, in a line
	rows     int      // of tables
}

type heading struct {
	level  int
	text   string
	anchor string // as GitHub makes it
}

type link struct {
	to    string
	image bool
}

type block struct {
	language string
	info     string // all of it: "sh elsewhere"
	text     string
	line     int
}

func (d *page) at(b block) string { return fmt.Sprintf("%s:%d", d.path, b.line) }

// documents are all Markdown files, by path.
func documents(t *testing.T) map[string]*page {
	t.Helper()
	all := map[string]*page{}
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != top && (strings.HasPrefix(e.Name(), ".") || e.Name() == "bin" || e.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			d := readDocument(t, filepath.ToSlash(strings.TrimPrefix(path, top+string(filepath.Separator))))
			all[d.path] = d
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all
}

var (
	markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))
	htmlLink = regexp.MustCompile(`<(?:img|source)\b[^>]*\bsrc="([^"]*)"|<a\b[^>]*\bhref="([^"]*)"`)
)

func readDocument(t *testing.T, path string) *page {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	d := &page{path: path}
	seen := map[string]int{}
	err = ast.Walk(markdown.Parser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			h := heading{level: n.Level, text: plainText(n, source)}
			h.anchor = anchor(h.text)
			if seen[h.anchor]++; seen[h.anchor] > 1 {
				h.anchor = fmt.Sprintf("%s-%d", h.anchor, seen[h.anchor]-1)
			}
			d.headings = append(d.headings, h)
		case *ast.Link:
			d.links = append(d.links, link{to: string(n.Destination)})
		case *ast.AutoLink:
			d.links = append(d.links, link{to: string(n.URL(source))})
		case *ast.Image:
			d.links = append(d.links, link{to: string(n.Destination), image: true})
		case *ast.HTMLBlock:
			d.htmlLinks(linesOf(n, source))
		case *ast.RawHTML:
			d.htmlLinks(string(n.Segments.Value(source)))
		case *ast.FencedCodeBlock:
			b := block{language: string(n.Language(source)), text: linesOf(n, source)}
			if n.Info != nil {
				b.info = string(n.Info.Value(source))
				b.line = bytes.Count(source[:n.Info.Segment.Start], []byte("\n")) + 1
			}
			d.blocks = append(d.blocks, b)
		case *ast.CodeBlock: // indented: commands
			d.blocks = append(d.blocks, block{language: "sh", info: "sh elsewhere", text: linesOf(n, source), line: bytes.Count(source[:n.Lines().At(0).Start], []byte("\n")) + 1})
		case *ast.CodeSpan:
			d.spans = append(d.spans, plainText(n, source))
		}
		if n.Kind().String() == "TableRow" {
			d.rows++
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *page) htmlLinks(html string) {
	for _, m := range htmlLink.FindAllStringSubmatch(html, -1) {
		d.links = append(d.links, link{to: m[1] + m[2], image: m[1] != ""})
	}
}

func linesOf(n ast.Node, source []byte) string { return string(n.Lines().Value(source)) }

// plainText is a node's text without its formatting.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // never fails
		if leaf, ok := n.(*ast.Text); ok && entering {
			b.Write(leaf.Value(source))
			if leaf.SoftLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// anchor is what GitHub makes of a heading: lower case, without punctuation,
// spaces as hyphens.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// Every link leads somewhere: to a file that is there, to a heading in it.
// Others' pages aren't fetched; their addresses are well-formed.
func TestLinks(t *testing.T) {
	all := documents(t)
	for _, d := range all {
		for _, l := range d.links {
			u, err := url.Parse(l.to)
			if err != nil {
				t.Errorf("%s: link %q: %v", d.path, l.to, err)
				continue
			}
			if u.Scheme != "" {
				local := providers.Loopback(u.Hostname())
				if u.Scheme != "https" && !local || u.Scheme != "https" && u.Scheme != "http" || !local && !strings.Contains(u.Hostname(), ".") {
					t.Errorf("%s: link %q is no https URL", d.path, l.to)
				}
				continue
			}
			path := d.path
			if u.Path != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(d.path), filepath.FromSlash(u.Path)))
			}
			if _, err := os.Stat(filepath.Join(top, path)); err != nil || strings.HasPrefix(path, "..") {
				t.Errorf("%s: link %q leads nowhere", d.path, l.to)
				continue
			}
			if u.Fragment != "" && (all[path] == nil || !all[path].has(u.Fragment)) {
				t.Errorf("%s: link %q: %s has no such heading", d.path, l.to, path)
			}
		}
	}
}

func (d *page) has(anchor string) bool {
	for _, h := range d.headings {
		if h.anchor == anchor {
			return true
		}
	}
	return false
}

// Every document is found from README.md by links alone.
func TestReachable(t *testing.T) {
	all := documents(t)
	found := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		d := all[path]
		if d == nil || found[path] {
			return
		}
		found[path] = true
		for _, l := range d.links {
			if to, _, _ := strings.Cut(l.to, "#"); to != "" && !strings.Contains(to, "://") {
				visit(filepath.ToSlash(filepath.Join(filepath.Dir(path), to)))
			}
		}
	}
	visit("README.md")
	for path := range all {
		// What the program embeds is written to docs/ as well.
		if !found[path] && !strings.HasPrefix(path, "config/") {
			t.Errorf("no link leads to %s", path)
		}
	}
}

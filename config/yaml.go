package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds on a file, far beyond any real one.
const (
	maxFile  = 1 << 20 // bytes
	maxNodes = 100_000 // values, each alias counted as often as it is used
	maxDepth = 32
)

var (
	byteOrderMark = []byte("\xef\xbb\xbf")
	syntaxError   = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	parserError   = regexp.MustCompile(`^did not find expected (key|node content|'-' indicator|',' or .*|<.*>)$`)
	tabIndent     = regexp.MustCompile(`^ *\t`)
)

// parse reads data as one YAML document. It reports what is not YAML, or not
// the YAML that this package reads, and returns what is left.
func parse(data []byte, problems *mistakes) *node {
	data = bytes.TrimPrefix(data, byteOrderMark)
	if len(data) > maxFile {
		problems.add(place{}, "", "is larger than 1 MiB")
		return &node{}
	}
	if at, problem := unreadable(data); problem != "" {
		problems.add(at, "", "%s", problem)
		return &node{}
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &node{}
	case err != nil:
		at, problem := explain(err, data)
		problems.add(at, "", "%s", problem)
		return &node{}
	}
	switch err := d.Decode(&next); {
	case err == nil:
		problems.add(place{line: next.Line, column: next.Column}, "", "a second document starts; a configuration is one")
	case !errors.Is(err, io.EOF):
		at, problem := explain(err, data)
		problems.add(at, "", "%s", problem)
	}
	c := &converter{problems: problems}
	tree := c.convert(document.Content[0], "", 0)
	if tree.shape == scalar || tree.shape == sequence {
		problems.add(tree.at, "", "must be keys with values, not %s", tree.describe())
		return &node{}
	}
	if c.refused {
		return &node{}
	}
	return tree
}

// unreadable finds the first byte that isn't UTF-8 text.
func unreadable(data []byte) (place, string) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return place{}, "is UTF-16; save it as UTF-8"
	}
	at := place{line: 1, column: 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return at, "a byte that is not UTF-8; save the file as UTF-8"
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return at, "a control character"
		case r == '\n':
			at = place{line: at.line + 1, column: 1}
		default:
			at.column++
		}
		data = data[size:]
	}
	return place{}, ""
}

// explain words an error of the YAML library. The usual cause, a tab, is found
// here, because the library only says that something can't start a token. What
// its scanner refuses is in the line it names; what its parser refuses is in
// the next line or below, because it counts from 0 and names the line in which
// the list or the keys around it start.
func explain(err error, data []byte) (place, string) {
	m := syntaxError.FindStringSubmatch(err.Error())
	if m == nil {
		return place{}, "is not YAML"
	}
	for i, text := range strings.Split(string(data), "\n") {
		if tabIndent.MatchString(text) {
			return place{line: i + 1, column: strings.IndexByte(text, '\t') + 1}, "a tab; YAML is indented with spaces"
		}
	}
	line, _ := strconv.Atoi(m[1]) // 0 without one
	if parserError.MatchString(m[2]) {
		last := 1 + bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
		return place{line: min(line+1, last)}, "is not YAML, here or below: " + m[2]
	}
	return place{line: line}, "is not YAML: " + m[2]
}

// converter makes nodes of the parser's: it follows aliases, merges, and
// reports what a configuration has no use for.
type converter struct {
	problems *mistakes
	nodes    int
	refused  bool
}

func (c *converter) convert(y *yaml.Node, path string, depth int) *node {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	n := &node{at: place{line: y.Line, column: y.Column}}
	if c.nodes++; c.nodes > maxNodes || depth > maxDepth {
		if !c.refused {
			c.problems.add(n.at, "", "is nested too deeply, or repeats an alias too often")
		}
		c.refused = true
	}
	if c.refused {
		return n
	}
	if y.Style&yaml.TaggedStyle != 0 {
		c.problems.add(n.at, path, "has the tag %s; a configuration needs none", y.Tag)
		return n
	}
	switch y.Kind {
	case yaml.DocumentNode, yaml.AliasNode: // the one holds y, the other was followed
	case yaml.ScalarNode:
		if y.Tag != "!!null" {
			n.shape, n.text, n.tag = scalar, y.Value, y.Tag
		}
	case yaml.SequenceNode:
		n.shape = sequence
		for i, item := range y.Content {
			n.items = append(n.items, c.convert(item, join(path, step{index: i}), depth+1))
		}
	case yaml.MappingNode:
		n.shape = mapping
		c.entries(n, y, path, depth)
	}
	return n
}

func (c *converter) entries(n *node, y *yaml.Node, path string, depth int) {
	var merged []entry
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		at := place{line: y.Content[i].Line, column: y.Content[i].Column}
		if key.Tag == "!!merge" {
			merged = append(merged, c.merge(at, value, path, depth)...)
			continue
		}
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			c.problems.add(at, path, "has a key that is not a word")
			continue
		}
		here := join(path, step{key: key.Value})
		if first := n.entry(key.Value); first != nil {
			c.problems.add(at, here, "is set twice, first in line %d", first.at.line)
			continue
		}
		n.add(entry{key: key.Value, at: at, value: c.convert(value, here, depth+1)})
	}
	for _, e := range merged {
		if n.entry(e.key) == nil {
			n.add(e)
		}
	}
}

// merge returns the entries that "<<: *alias" or "<<: [*alias, *alias]" brings in.
func (c *converter) merge(at place, value *yaml.Node, path string, depth int) []entry {
	sources := []*node{c.convert(value, path, depth+1)}
	if sources[0].shape == sequence {
		sources = sources[0].items
	}
	var entries []entry
	for _, s := range sources {
		if s.shape != mapping && !c.refused {
			c.problems.add(at, path, "<< takes an alias of keys with values")
		}
		entries = append(entries, s.entries...)
	}
	return entries
}

package config

import (
	"strconv"
	"strings"
)

// shape is the form of something written.
type shape int

const (
	null shape = iota // a key without a value, as if it were not there
	scalar
	sequence
	mapping
)

// node is a value as it was written, and where. The file becomes a tree of
// them; variables are then put over it, and one decoder reads the result.
type node struct {
	shape   shape
	at      place
	text    string // of a scalar
	tag     string // of a scalar in the file, such as "!!int"; empty in a variable
	items   []*node
	entries []entry
	byKey   map[string]int // indexes of entries
}

type entry struct {
	key   string
	at    place
	value *node
}

// describe names what n is, in an operator's words.
func (n *node) describe() string {
	switch {
	case n.shape == sequence:
		return "a list"
	case n.shape == mapping:
		return "keys with values"
	case n.tag == "!!bool":
		return "true or false"
	case n.tag == "!!int" || n.tag == "!!float":
		return "a number"
	default:
		return "text"
	}
}

// entry returns n's entry called key, or nil.
func (n *node) entry(key string) *entry {
	if i, ok := n.byKey[key]; ok {
		return &n.entries[i]
	}
	return nil
}

// add adds an entry with a key that n doesn't have.
func (n *node) add(e entry) {
	if n.byKey == nil {
		n.byKey = map[string]int{}
	}
	n.byKey[e.key] = len(n.entries)
	n.entries = append(n.entries, e)
}

// step is one step down the tree: a key, or an index if key is empty.
type step struct {
	key   string
	index int
}

const wordLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-"

func (s step) String() string {
	switch {
	case s.key == "":
		return "[" + strconv.Itoa(s.index) + "]"
	case strings.Trim(s.key, wordLetters) != "":
		return strconv.Quote(s.key)
	default:
		return s.key
	}
}

// join returns the path of what is at s below path.
func join(path string, s step) string {
	if path == "" || s.key == "" {
		return path + s.String()
	}
	return path + "." + s.String()
}

// steps reads a path such as "apps[0].brand".
func steps(path string) []step {
	var out []step
	for part := range strings.SplitSeq(strings.ReplaceAll(path, "[", ".["), ".") {
		index, ok := strings.CutPrefix(part, "[")
		if i, err := strconv.Atoi(strings.TrimSuffix(index, "]")); ok && err == nil {
			out = append(out, step{index: i})
		} else if part != "" {
			out = append(out, step{key: part})
		}
	}
	return out
}

// locate returns where path is written, or what it is nearest to.
func (n *node) locate(path string) place {
	var best place
	for _, s := range steps(path) {
		switch {
		case s.key == "" && s.index < len(n.items):
			n = n.items[s.index]
			best = n.at
		case s.key != "":
			e := n.entry(s.key)
			if file := n.entry(s.key + "_file"); e == nil || file != nil && e.value.shape == null {
				e = file
			}
			if e == nil {
				return best
			}
			n, best = e.value, e.at
		default:
			return best
		}
	}
	if n.shape == scalar {
		return n.at
	}
	return best
}

package config

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// prefix begins every variable. The rest of the name is the path of a key in
// capitals, its parts joined by "_".
const prefix = "DENWA_"

// Variable is the environment variable that names the configuration file.
const Variable = prefix + "CONFIG"

// clientVariables mean something to the commands that call a gateway.
var clientVariables = []string{prefix + "SERVER", prefix + "API_KEY"}

// serviceLink is a variable, with its value, that Kubernetes gives to a
// container for a Service called denwa, or denwa-something.
var serviceLink = regexp.MustCompile(
	`^DENWA_(\w+_)?(SERVICE_HOST=|SERVICE_PORT(_\w+)?=|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=|PORT=\w+://)`)

// variable is a value for one key from the environment.
type variable struct {
	name  string
	text  string
	steps []step
	field *field
}

// overlay puts the variables of env, in the form of os.Environ, over the
// file's tree. An empty variable is as good as none.
func overlay(root *field, tree *node, env []string, problems *mistakes) {
	for _, v := range variables(root, env, problems) {
		at := place{variable: v.name}
		n, parent := tree, (*node)(nil)
		for i, s := range v.steps {
			parent = n
			if n = n.descend(s, at); n == nil {
				if s.key == "" && parent.shape == sequence {
					problems.add(at, pathOf(v.steps), "sets %s, but there are only %d; lists count from 0, without gaps",
						pathOf(v.steps[:i+1]), len(parent.items))
				}
				break
			}
		}
		if n == nil { // what is wrong with the file there, the decoder says
			continue
		}
		*n = v.node()
		parent.replaced(v)
	}
}

// variables finds what each variable means. They are in the order of their
// paths, so that a list is set before its items, and items one after another.
func variables(root *field, env []string, problems *mistakes) []variable {
	texts := map[string]string{}
	for _, e := range env {
		if name, text, _ := strings.Cut(e, "="); strings.HasPrefix(name, prefix) && name != Variable && text != "" {
			texts[name] = text
		}
	}
	var out []variable
	for name, text := range texts {
		if steps, f := root.find(name[len(prefix):]); f != nil {
			out = append(out, variable{name: name, text: text, steps: steps, field: f})
		} else if !serviceLink.MatchString(name+"="+text) && !slices.Contains(clientVariables, name) {
			problems.add(place{variable: name}, "", "unknown variable%s", didYouMean(nearestVariable(root, name)))
		}
	}
	slices.SortFunc(out, func(a, b variable) int {
		return slices.CompareFunc(a.steps, b.steps, func(x, y step) int {
			return cmp.Or(strings.Compare(x.key, y.key), cmp.Compare(x.index, y.index))
		})
	})
	return out
}

// find returns the way to what a variable means, by its name without the
// prefix, and the field of that value; nil if it means nothing.
func (f *field) find(name string) ([]step, *field) {
	switch f.kind {
	case group:
		groups := []*field{f}
		for _, v := range f.variants {
			groups = append(groups, v.group)
		}
		for _, group := range groups {
			for _, g := range group.fields {
				rest, ok := strings.CutPrefix(name, strings.ToUpper(g.key))
				if !ok || rest != "" && rest[0] != '_' {
					continue
				}
				if way, leaf := g.find(strings.TrimPrefix(rest, "_")); leaf != nil {
					return append([]step{{key: g.key}}, way...), leaf
				}
			}
		}
	case list:
		if name == "" && f.item.scalar() {
			return nil, f
		}
		digits, rest, _ := strings.Cut(name, "_")
		index, err := strconv.Atoi(digits)
		if err != nil || digits != strconv.Itoa(index) || index < 0 {
			return nil, nil
		}
		if way, leaf := f.item.find(rest); leaf != nil {
			return append([]step{{index: index}}, way...), leaf
		}
	case table:
		if name != "" {
			return []step{{key: strings.ReplaceAll(strings.ToLower(name), "_", "-")}}, f.item
		}
	case text, boolean, integer, number, duration:
		if name == "" {
			return nil, f
		}
	}
	return nil, nil
}

// node is the variable's value, as if it were written in the file.
func (v variable) node() node {
	at := place{variable: v.name}
	if v.field.kind != list {
		return node{shape: scalar, at: at, text: v.text}
	}
	n := node{shape: sequence, at: at}
	for part := range strings.SplitSeq(v.text, ",") {
		n.items = append(n.items, &node{shape: scalar, at: at, text: strings.TrimSpace(part)})
	}
	return n
}

// descend returns what is at s below n, made if it isn't there; nil if it
// can't be.
func (n *node) descend(s step, at place) *node {
	want := mapping
	if s.key == "" {
		want = sequence
	}
	if n.shape == null {
		*n = node{shape: want, at: at}
	}
	switch {
	case n.shape != want:
		return nil
	case want == mapping:
		if n.entry(s.key) == nil {
			n.add(entry{key: s.key, at: at, value: &node{}})
		}
		return n.entry(s.key).value
	case s.index > len(n.items):
		return nil
	case s.index == len(n.items):
		n.items = append(n.items, &node{at: at})
	}
	return n.items[s.index]
}

// replaced notes in the mapping n that v set one of its keys. A secret in a
// variable replaces the secret's file in the file, and the other way round.
func (n *node) replaced(v variable) {
	key := v.steps[len(v.steps)-1].key
	if e := n.entry(key); e != nil {
		e.at = place{variable: v.name}
	}
	other := key + "_file"
	if v.field.fileFor != nil {
		other = v.field.fileFor.key
	}
	if e := n.entry(other); e != nil && e.at.variable == "" && (v.field.secret || v.field.fileFor != nil) {
		e.value = &node{}
	}
}

func pathOf(way []step) string {
	path := ""
	for _, s := range way {
		path = join(path, s)
	}
	return path
}

// nearestVariable returns the known variable that name was most likely meant
// to be, or "". Indexes count as spelled right.
func nearestVariable(root *field, name string) string {
	parts := strings.Split(name, "_")
	var indexes []string
	for i, p := range parts {
		if strings.Trim(p, "0123456789") == "" && p != "" {
			indexes = append(indexes, strings.TrimLeft(p[:len(p)-1], "0")+p[len(p)-1:])
			parts[i] = "0"
		}
	}
	parts = strings.Split(nearest(strings.Join(parts, "_"), root.variables(prefix)), "_")
	for i, p := range parts {
		if p == "0" && len(indexes) > 0 {
			parts[i], indexes = indexes[0], indexes[1:]
		}
	}
	return strings.Join(parts, "_")
}

// variables lists the variables for f and what is below it; an index is 0, a
// key of the operator's choice is missing.
func (f *field) variables(name string) []string {
	var out []string
	switch f.kind {
	case group:
		for _, g := range f.fields {
			out = append(out, g.variables(name+strings.ToUpper(g.key)+"_")...)
		}
		for _, v := range f.variants {
			for _, g := range f.own(&v) {
				for _, own := range g.variables(name + strings.ToUpper(g.key) + "_") {
					if !slices.Contains(out, own) { // types may have a key in common
						out = append(out, own)
					}
				}
			}
		}
	case list:
		if f.item.scalar() {
			out = append(out, strings.TrimSuffix(name, "_"))
		} else {
			out = f.item.variables(name + "0_")
		}
	default:
		out = append(out, strings.TrimSuffix(name, "_"))
	}
	return out
}

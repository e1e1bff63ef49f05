package config

import (
	_ "embed"
	"fmt"
	"reflect"
	"strings"
)

//go:embed testdata/introduction.md
var introduction string

// reference is the reference of the configuration, in Markdown that also reads
// well in a terminal.
func (s source) reference() string {
	w := &referenceWriter{source: s}
	w.WriteString(introduction)
	defaults := Default()
	w.group(rootField(), "", "", reflect.ValueOf(defaults))
	return w.String()
}

type referenceWriter struct {
	strings.Builder
	source source
}

// group writes the keys of f that are values, then its groups as sections. v
// holds the defaults.
func (w *referenceWriter) group(f *field, path, suffix string, v reflect.Value) {
	w.fields(f.fields, path, suffix, v)
	for _, p := range f.variants {
		of := fmt.Sprintf(" of type %s", p.name)
		w.heading("###", path+of, "")
		w.fields(f.own(&p), path, of, p.defaults)
	}
}

func (w *referenceWriter) heading(level, title, doc string) {
	fmt.Fprintf(w, "\n%s %s\n\n", level, title)
	if doc != "" {
		fmt.Fprintf(w, "%s\n\n", doc)
	}
}

func (w *referenceWriter) fields(fields []*field, path, suffix string, v reflect.Value) {
	if alike(fields) {
		w.alike(fields, path, v)
		return
	}
	var sections []*field
	for _, g := range fields {
		switch {
		case g.fileFor != nil:
		case g.kind == group, g.kind == list && g.item.kind == group, path == "":
			sections = append(sections, g)
		default:
			w.field(g, path, v.FieldByIndex(g.index))
		}
	}
	for _, g := range sections {
		level, inner, below := "###", g, v.FieldByIndex(g.index)
		if path == "" {
			level = "##"
		}
		at := strings.TrimPrefix(path+"."+g.key, ".")
		if g.kind == list {
			at += "[]"
			inner, below = g.item, reflect.Zero(g.item.typ)
		}
		if inner.kind != group {
			w.heading(level, at, "")
			w.field(g, "", below)
			continue
		}
		w.heading(level, at+suffix, w.source.group(g, inner))
		w.group(inner, at, suffix, below)
	}
}

// alike reports whether fields are groups with the same keys.
func alike(fields []*field) bool {
	for _, g := range fields {
		if g.kind != group || g.typ != fields[0].typ {
			return false
		}
	}
	return len(fields) > 1
}

// alike writes groups with the same keys: each with its defaults, then the keys.
func (w *referenceWriter) alike(fields []*field, path string, v reflect.Value) {
	for _, g := range fields {
		var defaults []string
		for _, h := range g.fields {
			defaults = append(defaults, h.key+": "+h.defaultText(v.FieldByIndex(g.index).FieldByIndex(h.index)))
		}
		fmt.Fprintf(w, "- **`%s`**: default `{%s}`.\n  %s\n", g.key, strings.Join(defaults, ", "), w.source.field(g))
	}
	w.heading("###", path+".*", "Each of them has these keys.")
	for _, h := range fields[0].fields {
		fmt.Fprintf(w, "- **`%s`**: %s, `%s`.\n  %s\n", h.key, h.takes(), variableName(path+".<NAME>."+h.key), w.source.field(h))
	}
}

// field writes one key: what it takes, its default, its variable, its comment.
func (w *referenceWriter) field(f *field, path string, v reflect.Value) {
	facts := []string{f.takes()}
	if d := f.defaultText(v); d != "" {
		facts = append(facts, "default `"+d+"`")
	}
	at := strings.TrimPrefix(path+"."+f.key, ".")
	name := variableName(at)
	if f.kind == table {
		name += "_<KEY>"
	}
	facts = append(facts, "`"+name+"`")
	if f.secret {
		facts = append(facts, fmt.Sprintf("or `%s_file`, `%s_FILE`", f.key, name))
	}
	fmt.Fprintf(w, "- **`%s`**: %s.\n  %s\n", f.key, strings.Join(facts, ", "), w.source.field(f))
}

// takes names what f's value is.
func (f *field) takes() string {
	switch {
	case f.enum != nil:
		return oneOf(f.enum)
	case f.secret && f.kind == list:
		return "list of secrets"
	case f.secret:
		return "secret"
	case f.kind == list:
		return "list of " + strings.TrimPrefix(f.item.takes(), "a ")
	case f.kind == table && f.item.scalar():
		return strings.TrimPrefix(f.item.takes(), "a ") + " by key"
	case f.kind == table:
		return "text by key"
	case f.kind == duration:
		return "duration"
	default:
		return strings.TrimPrefix(f.form(), "a ")
	}
}

// defaultText is the default as written in YAML; empty if there is none.
func (f *field) defaultText(v reflect.Value) string {
	switch {
	case f.kind == list && v.Len() > 0:
		var items []string
		for i := range v.Len() {
			items = append(items, f.item.show(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case f.scalar():
		return f.show(v)
	default:
		return ""
	}
}

// variableName is the variable for a path; the index of an item is shown as 0.
func variableName(path string) string {
	return prefix + strings.ToUpper(strings.NewReplacer("[]", "_0", ".", "_").Replace(path))
}

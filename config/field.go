package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// kind is the form of a value.
type kind int

const (
	text kind = iota
	boolean
	integer
	number
	duration
	list
	table // a map with keys of the operator's choice
	group // a struct: a mapping with known keys
)

// field is one key of the configuration. The tree of fields is its only
// description: decoding, variables, printing, the reference and the schema all
// walk it.
type field struct {
	key    string // as in YAML; empty for the root and for items
	kind   kind
	typ    reflect.Type
	index  []int // where it is in its struct
	secret bool
	enum   []string // the values that a text may have; nil for any
	item   *field   // of a list or a table

	// fields are the keys of a group, in order.
	fields []*field
	// variants are more keys of a group, by its type; they live in the
	// interface at index settings.
	variants []variant
	settings []int

	// fileFor is the secret that the file named by this key holds. Such a
	// field has no place in the struct.
	fileFor *field

	// owner and name are the Go struct and field: where the documentation is.
	owner reflect.Type
	name  string
}

// variant is what a provider of one type adds to its group.
type variant struct {
	name     string
	group    *field
	defaults reflect.Value
}

// rootField describes [Config].
func rootField() *field { return newField(reflect.TypeFor[Config]()) }

func newField(t reflect.Type) *field {
	f := &field{typ: t}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		f.kind = duration
	case t.Kind() == reflect.String:
		f.kind, f.enum = text, enumOf(t)
	case t.Kind() == reflect.Bool:
		f.kind = boolean
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		f.kind = integer
	case t.Kind() == reflect.Float64:
		f.kind = number
	case t.Kind() == reflect.Slice:
		f.kind, f.item = list, newField(t.Elem())
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		f.kind, f.item = table, newField(t.Elem())
	case t.Kind() == reflect.Struct:
		f.kind = group
		f.addFields(t, nil)
	default:
		panic(fmt.Sprintf("config: no kind of value for %s", t)) // caught by every test that loads
	}
	return f
}

// addFields adds the fields of the struct t, which is at index.
func (f *field) addFields(t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clone(index), i)
		key, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case option == "inline" && sf.Type.Kind() == reflect.Struct:
			f.addFields(sf.Type, at)
			continue
		case option == "inline":
			f.settings = at
			for _, p := range providerTypes() {
				v := reflect.ValueOf(p.settings)
				f.variants = append(f.variants, variant{name: string(p.name), group: newField(v.Type()), defaults: v})
			}
			continue
		case key == "":
			panic(fmt.Sprintf("config: %s.%s has no yaml key", t, sf.Name))
		}
		g := newField(sf.Type)
		g.key, g.index, g.owner, g.name = key, at, t, sf.Name
		f.fields = append(f.fields, g)
		if sf.Tag.Get("secret") == "true" {
			g.secret = true
			if g.item != nil {
				g.item.secret = true
			}
			if g.kind != table {
				f.fields = append(f.fields, &field{key: key + "_file", typ: reflect.TypeFor[string](), fileFor: g})
			}
		}
	}
}

// field returns the field called key, or nil.
func (f *field) field(key string) *field {
	for _, g := range f.fields {
		if g.key == key {
			return g
		}
	}
	return nil
}

// variant returns the variant called name, or nil.
func (f *field) variant(name string) *variant {
	for i := range f.variants {
		if f.variants[i].name == name {
			return &f.variants[i]
		}
	}
	return nil
}

// own are the fields that v adds to those which every variant has.
func (f *field) own(v *variant) []*field {
	return slices.DeleteFunc(slices.Clone(v.group.fields), func(g *field) bool { return f.field(g.key) != nil })
}

// keys are the keys of a group; v may be nil.
func (f *field) keys(v *variant) []string {
	var keys []string
	for _, g := range f.fields {
		keys = append(keys, g.key)
	}
	if v != nil {
		for _, g := range f.own(v) {
			keys = append(keys, g.key)
		}
	}
	return keys
}

// paths are the paths at which a key of this name is known, as in "apps[].brand".
func (f *field) paths(key string) []string {
	var out []string
	below := func(prefix string, g *field) {
		for _, p := range g.paths(key) {
			out = append(out, prefix+p)
		}
	}
	for _, g := range f.fields {
		if g.key == key {
			out = append(out, g.key)
		}
		switch {
		case g.kind == group:
			below(g.key+".", g)
		case g.kind == list && g.item.kind == group:
			below(g.key+"[].", g.item)
		}
	}
	return out
}

// scalar reports whether f is a single value.
func (f *field) scalar() bool { return f.kind < list }

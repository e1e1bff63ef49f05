package config

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// redacted stands for a secret where a configuration is printed.
const redacted = "[redacted]"

// decoder sets Go values from what was written and reports every mistake. It
// never repeats a value of a secret.
type decoder struct {
	root     *field
	problems *mistakes
}

// decode sets v, described by f, from n. What isn't written keeps its value.
func (d decoder) decode(f *field, n *node, path string, v reflect.Value) {
	if n.shape == null {
		return
	}
	if want := wanted(f.kind); n.shape != want {
		hint := ""
		if want == sequence && n.shape == scalar && f.item.scalar() {
			hint = "; write [ ] around it"
		}
		d.problems.add(n.at, path, "must be %s, not %s%s", f.form(), n.describe(), hint)
		return
	}
	switch f.kind {
	case group:
		d.group(f, n, path, v)
	case list:
		v.Set(reflect.MakeSlice(f.typ, len(n.items), len(n.items)))
		for i, item := range n.items {
			at := join(path, step{index: i})
			if item.shape == null {
				d.problems.add(item.at, at, "is empty")
			}
			d.decode(f.item, item, at, v.Index(i))
		}
	case table:
		v.Set(reflect.MakeMapWithSize(f.typ, len(n.entries)))
		for _, e := range n.entries {
			if e.value.shape == null {
				continue
			}
			value, before := reflect.New(f.item.typ).Elem(), len(d.problems.list)
			d.decode(f.item, e.value, join(path, step{key: e.key}), value)
			if len(d.problems.list) == before { // else it isn't what was meant
				v.SetMapIndex(reflect.ValueOf(e.key), value)
			}
		}
	default:
		if problem := f.set(n, v); problem != "" {
			d.problems.add(n.at, path, "%s", problem)
		}
	}
}

func wanted(k kind) shape {
	switch k {
	case list:
		return sequence
	case table, group:
		return mapping
	default:
		return scalar
	}
}

// form names what a value of f looks like.
func (f *field) form() string {
	switch f.kind {
	case boolean:
		return "true or false"
	case integer:
		return "a whole number"
	case number:
		return "a number"
	case duration:
		return "a duration such as 30s, 10m or 24h"
	case list:
		return "a list"
	case table, group:
		return "keys with values"
	default:
		return "text"
	}
}

// set sets v from a scalar and says what is wrong with it.
func (f *field) set(n *node, v reflect.Value) string {
	quoted := n.tag == "!!str" && (f.kind == integer || f.kind == number)
	if quoted || n.tag == "!!bool" && f.kind == text {
		return "must be " + f.form() + ", not " + n.describe()
	}
	switch f.kind {
	case boolean:
		if n.text != "true" && n.text != "false" {
			return "must be true or false"
		}
		v.SetBool(n.text == "true")
	case integer:
		i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		if err != nil {
			return "must be a whole number, such as 10"
		}
		v.SetInt(i)
	case number:
		x, err := strconv.ParseFloat(n.text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return "must be a number, such as 2.5"
		}
		v.SetFloat(x)
	case duration:
		t, err := time.ParseDuration(n.text)
		switch {
		case err != nil && strings.Trim(n.text, "0123456789") == "" && n.text != "":
			return "has no unit; write " + n.text + "s for seconds"
		case err != nil:
			return "must be " + f.form()
		case t < 0:
			return "must not be negative"
		}
		v.SetInt(int64(t))
	case list, table, group:
		panic("config: not a scalar: " + f.key)
	case text:
		switch {
		case f.secret && n.text == redacted:
			return `is the placeholder that "denwa config print" puts for a secret; give the secret`
		case f.enum != nil && n.text != "" && !slices.Contains(f.enum, n.text):
			return "must be " + oneOf(f.enum)
		}
		v.SetString(n.text)
	}
	return ""
}

// group sets a struct. Its keys are known, and a key that isn't is a mistake.
func (d decoder) group(f *field, n *node, path string, v reflect.Value) {
	var chosen *variant
	var settings reflect.Value
	if e := n.entry("type"); f.variants != nil && e != nil {
		if chosen = f.variant(e.value.text); chosen != nil {
			settings = reflect.New(chosen.group.typ).Elem()
			settings.Set(chosen.defaults)
		}
	}
	for _, e := range n.entries {
		at := join(path, step{key: e.key})
		known := false
		if g := f.field(e.key); g != nil {
			known = true
			d.member(g, n, e, at, v)
		}
		if chosen != nil {
			if g := chosen.group.field(e.key); g != nil {
				known = true
				d.member(g, n, e, at, settings)
			}
		}
		if !known && (f.variants == nil || chosen != nil) {
			d.unknown(f, chosen, n, e, path)
		}
	}
	if chosen != nil {
		v.FieldByIndex(f.settings).Set(settings)
	}
}

// member sets one field of the struct v, which n describes.
func (d decoder) member(g *field, n *node, e entry, path string, v reflect.Value) {
	if g.fileFor == nil {
		d.decode(g, e.value, path, v.FieldByIndex(g.index))
		return
	}
	var file string
	d.decode(g, e.value, path, reflect.ValueOf(&file).Elem())
	if file == "" {
		return
	}
	if inline := n.entry(g.fileFor.key); inline != nil && inline.value.shape != null {
		d.problems.add(e.at, path, "can't be set together with %s", g.fileFor.key)
		return
	}
	secret, err := readSecret(file)
	target := v.FieldByIndex(g.fileFor.index)
	switch {
	case err != nil:
		d.problems.add(e.value.at, path, "%v", err)
		d.problems.hide(strings.TrimSuffix(path, "_file"))
	case g.fileFor.kind == list:
		target.Set(reflect.ValueOf(strings.Fields(secret)))
	default:
		target.SetString(secret)
	}
}

func (d decoder) unknown(f *field, chosen *variant, n *node, e entry, path string) {
	keys := f.keys(chosen)
	free := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return n.entry(k) != nil })
	message := "unknown key"
	elsewhere := d.root.paths(e.key)
	switch near := nearest(e.key, free); {
	case near != "":
		message += didYouMean(near)
		d.problems.hide(join(path, step{key: near}))
	case len(elsewhere) == 1 && chosen == nil: // else it is a key of another type
		message += didYouMean(elsewhere[0])
	default:
		message += "; known here: " + strings.Join(keys, ", ")
	}
	d.problems.add(e.at, join(path, step{key: e.key}), "%s", message)
}

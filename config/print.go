package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// write writes v, described by f, as YAML with secrets redacted.
func write(w io.Writer, f *field, v reflect.Value) error {
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(encode(f, v)); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return e.Close()
}

// encode makes the YAML of v. Groups are written whole, zero values included.
func encode(f *field, v reflect.Value) *yaml.Node {
	switch f.kind {
	case group:
		n := &yaml.Node{Kind: yaml.MappingNode}
		n.Content = members(f.fields, v)
		if f.settings != nil && !v.FieldByIndex(f.settings).IsNil() {
			settings := v.FieldByIndex(f.settings).Elem()
			for _, p := range f.variants {
				if p.group.typ == settings.Type() {
					n.Content = append(n.Content, members(f.own(&p), settings)...)
				}
			}
		}
		return n
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 || f.item.scalar() {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, encode(f.item, v.Index(i)))
		}
		return n
	case table:
		n := &yaml.Node{Kind: yaml.MappingNode}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			n.Content = append(n.Content, textNode(k.String()), encode(f.item, v.MapIndex(k)))
		}
		return n
	case text:
		return textNode(f.show(v))
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: f.show(v)}
	}
}

func members(fields []*field, v reflect.Value) []*yaml.Node {
	var content []*yaml.Node
	for _, g := range fields {
		if g.fileFor == nil {
			content = append(content, textNode(g.key), encode(g, v.FieldByIndex(g.index)))
		}
	}
	return content
}

// textNode is s in whatever quotes it needs to be read as text again.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// show writes one value, as an operator would.
func (f *field) show(v reflect.Value) string {
	switch {
	case f.secret && v.String() != "":
		return redacted
	case f.kind == duration:
		return showDuration(time.Duration(v.Int()))
	case f.kind == boolean:
		return strconv.FormatBool(v.Bool())
	case f.kind == integer:
		return strconv.FormatInt(v.Int(), 10)
	case f.kind == number:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	default:
		return v.String()
	}
}

// showDuration is d without the zeros that [time.Duration.String] ends with:
// 10m, not 10m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

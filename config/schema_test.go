package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

type object = map[string]any

// schema is the configuration's JSON Schema (2020-12), for editors.
func (s source) schema(t *testing.T) string {
	t.Helper()
	root := s.schemaOf(rootField(), reflect.ValueOf(Default()))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Denwa configuration"
	root["type"] = []string{"object", "null"} // an empty file
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (s source) schemaOf(f *field, defaults reflect.Value) object {
	o := object{}
	switch f.kind {
	case text:
		o["type"] = "string"
		if f.enum != nil {
			o["enum"] = f.enum
		}
	case boolean:
		o["type"] = "boolean"
	case integer:
		o["type"] = "integer"
	case number:
		o["type"] = "number"
	case duration:
		o["type"] = "string"
		o["pattern"] = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	case list:
		o["type"] = "array"
		o["items"] = s.schemaOf(f.item, reflect.Zero(f.item.typ))
	case table:
		o["type"] = "object"
		o["additionalProperties"] = s.schemaOf(f.item, reflect.Zero(f.item.typ))
	case group:
		o["type"] = "object"
		o["properties"] = s.properties(f.fields, defaults)
		if f.variants == nil {
			o["additionalProperties"] = false
			break
		}
		var cases []object
		for _, v := range f.variants {
			cases = append(cases, object{
				"if":   object{"properties": object{"type": object{"const": v.name}}},
				"then": object{"properties": s.properties(f.own(&v), v.defaults)},
			})
		}
		o["required"] = []string{"name", "type"}
		o["allOf"] = cases
		o["unevaluatedProperties"] = false
	}
	if doc := s.field(f); doc != "" {
		o["description"] = doc
	}
	if d := f.defaultValue(defaults); d != nil {
		o["default"] = d
	}
	return o
}

func (s source) properties(fields []*field, defaults reflect.Value) object {
	properties := object{}
	for _, g := range fields {
		if g.fileFor != nil {
			properties[g.key] = object{"type": "string", "description": "File that holds " + g.fileFor.key + "."}
			continue
		}
		properties[g.key] = s.schemaOf(g, defaults.FieldByIndex(g.index))
	}
	return properties
}

// defaultValue is the default for JSON; nil if there is none.
func (f *field) defaultValue(v reflect.Value) any {
	switch {
	case v.IsZero(), f.secret, f.kind == group, f.kind == table, f.kind == list && !f.item.scalar():
		return nil
	case f.kind == duration:
		return f.show(v)
	default:
		return v.Interface()
	}
}

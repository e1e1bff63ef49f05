package config

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"denwa/providers"
)

var update = flag.Bool("update", false, "write the generated files again")

// TestGenerated fails when a file that is made from the fields and their
// comments is stale; "go generate ./config" writes it again.
func TestGenerated(t *testing.T) {
	source := readSource(t)
	reference := source.reference()
	for name, want := range map[string]string{
		"reference.md":             reference,
		"../docs/configuration.md": reference,
		"schema.json":              source.schema(t),
	} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is stale; run go generate ./config", name)
		}
	}
}

// TestEnums holds the finite texts against the constants in the source.
func TestEnums(t *testing.T) {
	source := readSource(t)
	var walk func(f *field)
	walk = func(f *field) {
		if f == nil {
			return
		}
		if f.kind == text && f.typ.PkgPath() != "" && f.typ != reflect.TypeFor[ProviderType]() && f.typ != reflect.TypeFor[providers.NumberType]() {
			if got, want := strings.Join(f.enum, " "), strings.Join(source.constants[f.typ.String()], " "); got != want {
				t.Errorf("%s: enumOf says %q, the constants are %q", f.typ, got, want)
			}
		}
		walk(f.item)
		for _, g := range f.fields {
			walk(g)
		}
		for _, v := range f.variants {
			walk(v.group)
		}
	}
	walk(rootField())
}

// TestDocumented: each key says what it is for.
func TestDocumented(t *testing.T) {
	source := readSource(t)
	var walk func(path string, f *field)
	walk = func(path string, f *field) {
		for _, g := range f.fields {
			at, inner := strings.TrimPrefix(path+"."+g.key, "."), g
			if g.kind == list {
				inner = g.item
			}
			if g.fileFor == nil && source.field(g) == "" && source.group(g, inner) == "" {
				t.Errorf("%s: %s.%s has no comment", at, g.owner, g.name)
			}
			walk(at, inner)
		}
		for _, v := range f.variants {
			walk(path, v.group)
		}
	}
	walk("", rootField())
}

// TestVariables: each key has a variable of its own.
func TestVariables(t *testing.T) {
	root, seen := rootField(), map[string]bool{}
	names := root.variables(prefix)
	if len(names) < 50 {
		t.Fatalf("only %d variables", len(names))
	}
	for _, name := range names {
		if seen[name] {
			t.Errorf("%s means two keys", name)
		}
		seen[name] = true
		for table, entry := range map[string]string{"_MESSAGES": "_JA", "_GREETINGS": "_JA_TEXT", "_VOICE_VOICES": "_JA_NAME", "_DIAL": "_81", "_HEADERS": "_X", "_FORM": "_X", "_STATUSES": "_X", "_WEIGHTS": "_X"} {
			if strings.HasSuffix(name, table) && !strings.HasSuffix(name, "_LONG_MESSAGES") {
				name += entry
			}
		}
		if _, f := root.find(strings.TrimPrefix(name, prefix)); f == nil {
			t.Errorf("%s means nothing", name)
		}
	}
}

// source is what the packages' source says about the configuration.
type source struct {
	// comments by "denwa/gateway.App" for a type, "denwa/gateway.App.Name" for a field.
	comments map[string]string
	// constants by their type, as in "redisstore.Type".
	constants map[string][]string
}

// readSource parses every package that has a part in the configuration.
func readSource(t *testing.T) source {
	t.Helper()
	s := source{comments: map[string]string{}, constants: map[string][]string{}}
	read := map[string]bool{}
	var visit func(typ reflect.Type)
	visit = func(typ reflect.Type) {
		if path := typ.PkgPath(); strings.HasPrefix(path, "denwa/") && !read[path] {
			read[path] = true
			s.read(t, path)
		}
		switch typ.Kind() {
		case reflect.Slice, reflect.Map:
			visit(typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				visit(typ.Field(i).Type)
			}
		default:
		}
	}
	visit(reflect.TypeFor[Config]())
	for _, p := range providerTypes() {
		visit(reflect.TypeOf(p.settings))
	}
	return s
}

func (s source) read(t *testing.T, path string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", strings.TrimPrefix(path, "denwa/"), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of %s: %v", path, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					s.comments[path+"."+spec.Name.Name] = g.Doc.Text()
					s.fields(path, spec)
				case *ast.ValueSpec:
					s.constant(file.Name.Name, spec)
				}
			}
		}
	}
}

func (s source) fields(path string, spec *ast.TypeSpec) {
	st, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range st.Fields.List {
		for _, name := range f.Names {
			s.comments[path+"."+spec.Name.Name+"."+name.Name] = f.Doc.Text()
		}
	}
}

func (s source) constant(pkg string, spec *ast.ValueSpec) {
	typ, ok := spec.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, v := range spec.Values {
		if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			s.constants[pkg+"."+typ.Name] = append(s.constants[pkg+"."+typ.Name], value)
		}
	}
}

// field returns f's documentation: the comment above the Go field.
func (s source) field(f *field) string {
	if f.owner == nil {
		return ""
	}
	return plain(f.name, s.comments[f.owner.PkgPath()+"."+f.owner.Name()+"."+f.name])
}

// group returns the documentation of a group: the comment above its field or,
// without one, above its Go type.
func (s source) group(f, g *field) string {
	if doc := s.field(f); doc != "" {
		return doc
	}
	return plain(g.typ.Name(), s.comments[g.typ.PkgPath()+"."+g.typ.Name()])
}

// plain is a Go comment for a reader who doesn't know the Go name: "Name is
// what ..." becomes "What ...".
func plain(name, comment string) string {
	doc := strings.Join(strings.Fields(comment), " ")
	for _, verb := range []string{" is ", " are ", " says "} {
		if rest, ok := strings.CutPrefix(doc, name+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return doc
}

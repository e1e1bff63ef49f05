package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"mvdan.cc/sh/v3/syntax"

	"denwa/config"
)

// shells are the languages of blocks that hold commands.
var shells = []string{"sh", "bash", "console"}

// Every command line of Denwa's in a document has a command and flags that exist,
// and all arguments that it wants. Every block of commands is one that a shell reads.
func TestDocumentedCommands(t *testing.T) {
	found := map[string]bool{}
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if !slices.Contains(shells, b.language) {
				continue
			}
			lines, err := commandLines(b.text)
			if err != nil {
				t.Errorf("%s: %v", d.at(b), err)
			}
			for _, args := range lines {
				c, err := parseCommand(args)
				if err == nil {
					err = c.ValidateArgs(c.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: denwa %s: %v", d.at(b), strings.Join(args, " "), err)
					continue
				}
				found[c.CommandPath()] = true
			}
		}
		for _, span := range d.spans {
			lines, err := commandLines(span)
			if err != nil {
				continue // it isn't a command
			}
			for _, args := range lines {
				if _, err := parseCommand(args); err != nil {
					t.Errorf("%s: `denwa %s`: %v", d.path, strings.Join(args, " "), err)
				}
			}
		}
	}
	for _, c := range []string{"denwa serve", "denwa config check", "denwa key new", "denwa verify"} {
		if !found[c] {
			t.Errorf("no document shows %s", c)
		}
	}
}

// commandLines are the arguments of each call of denwa in a shell text.
func commandLines(text string) (all [][]string, err error) {
	// What a person puts in: "<the id>" would be a redirection, and so would "…".
	text = regexp.MustCompile(`<[\p{L} ]+>`).ReplaceAllString(text, "PUT_IN")
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, err
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		words := make([]string, len(call.Args))
		for i, w := range call.Args {
			words[i] = wordText(w)
		}
		if args, is := denwaArgs(words); is {
			all = append(all, args)
		}
		return true
	})
	return all, nil
}

// denwaArgs are the arguments of denwa, however it is started.
func denwaArgs(words []string) ([]string, bool) {
	for len(words) > 0 && (words[0] == "sudo" || words[0] == "exec") {
		words = words[1:]
	}
	switch {
	case len(words) == 0:
		return nil, false
	case filepath.Base(words[0]) == "denwa" && words[0] != "./cmd/denwa":
		return words[1:], true
	case len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/denwa":
		return words[3:], true
	case len(words) > 1 && words[0] == "docker" && words[1] == "run":
		if i := slices.Index(words, "denwa"); i > 0 {
			return words[i+1:], true
		}
	}
	return nil, false
}

// wordText is a word as the program gets it, as far as that is known.
func wordText(w *syntax.Word) string {
	var b strings.Builder
	var write func(parts []syntax.WordPart)
	write = func(parts []syntax.WordPart) {
		for _, p := range parts {
			switch p := p.(type) {
			case *syntax.Lit:
				b.WriteString(p.Value)
			case *syntax.SglQuoted:
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				write(p.Parts)
			default:
				b.WriteString("PUT_IN")
			}
		}
	}
	write(w.Parts)
	return b.String()
}

// parseCommand finds the command that args name and reads its flags.
func parseCommand(args []string) (*cobra.Command, error) {
	root := newRootCommand()
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(args)
	if err != nil {
		return nil, err
	}
	c.InitDefaultHelpFlag()
	if c == root {
		c.InitDefaultVersionFlag()
	}
	err = c.ParseFlags(rest)
	if err != nil && strings.HasPrefix(err.Error(), `invalid argument "`) && strings.Contains(err.Error(), "PUT_IN") {
		err = nil
	}
	if err == nil && c.HasSubCommands() && len(c.Flags().Args()) > 0 {
		err = fmt.Errorf("there is no %q", c.Flags().Arg(0))
	}
	return c, err
}

// Every configuration in a document is right, as far as it goes: what it leaves out
// is missed by nobody, and secrets needn't be here. A block of YAML that is for
// something else says so: "yaml elsewhere".
func TestDocumentedConfig(t *testing.T) {
	checked := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.info != "yaml" {
				continue
			}
			checked++
			for _, problem := range configProblems(t, b.text) {
				t.Errorf("%s: %s", d.at(b), problem)
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d configurations", checked)
	}
}

func configProblems(t *testing.T, snippet string) (all []string) {
	t.Helper()
	switch item := strings.TrimSpace(snippet); {
	case strings.HasPrefix(item, "name: "): // one provider
		snippet = "providers:\n  - " + strings.ReplaceAll(item, "\n", "\n    ") + "\n"
	case strings.HasPrefix(item, "- {channel: "): // routes
		snippet = "routes:\n" + snippet
	}
	path := filepath.Join(t.TempDir(), "denwa.yaml")
	if err := os.WriteFile(path, []byte(snippet), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path, []string{"DENWA_KEYS_MASTER=" + testMaster})
	var list *config.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &list) {
		return []string{err.Error()}
	}
	var tree yaml.Node
	if err := yaml.Unmarshal([]byte(snippet), &tree); err != nil {
		return []string{err.Error()}
	}
	for _, p := range list.Problems {
		said := written(&tree, p.Path)
		if said == nil || said.Value == "…" || strings.Contains(p.Message, "can't be read") || missesSecret(&tree, p) ||
			strings.HasSuffix(p.Message, "is not a provider") && written(&tree, "providers") == nil ||
			strings.HasSuffix(p.Message, "is not an app") && written(&tree, "apps") == nil {
			continue
		}
		all = append(all, fmt.Sprintf("line %d: %s: %s", p.Line, p.Path, p.Message))
	}
	return all
}

// missesSecret reports whether p is that a secret is missing that a file has.
func missesSecret(tree *yaml.Node, p config.Problem) bool {
	group := written(tree, p.Path[:max(0, strings.LastIndexAny(p.Path, ".["))])
	if group == nil || group.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(group.Content); i += 2 {
		secret, file := strings.CutSuffix(group.Content[i].Value, "_file")
		if file && strings.Contains(p.Message, secret) {
			return true
		}
	}
	return false
}

// written is what stands at a path such as "apps[0].brand"; nil if nothing does.
func written(n *yaml.Node, path string) *yaml.Node {
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		var next *yaml.Node
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					next = n.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			var i int
			if _, err := fmt.Sscan(step, &i); err == nil && i < len(n.Content) {
				next = n.Content[i]
			}
		default: // a value: nothing is in it
		}
		if n = next; n == nil {
			return nil
		}
	}
	return n
}

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in the configuration.
type Problem struct {
	// File is where it is; empty without a file.
	File string
	// Line and Column count from 1. They are 0 where the file lacks the key.
	Line, Column int
	// Variable is the environment variable that it is in, instead of the file.
	Variable string
	// Path is the key, such as "apps[0].brand"; empty for the file as a whole.
	Path string
	// Message says what is wrong and what to do. It never holds a secret.
	Message string
}

// String is one line, in the form that editors and compilers share:
// "denwa.yaml:3:5: apps[0].brand: must say who the message is from".
func (p Problem) String() string {
	var parts []string
	switch {
	case p.Variable != "":
		parts = append(parts, p.Variable)
	case p.Line > 0 && p.Column > 0:
		parts = append(parts, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column))
	case p.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d", p.File, p.Line))
	case p.File != "":
		parts = append(parts, p.File)
	}
	if p.Path != "" {
		parts = append(parts, p.Path)
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// Error is every mistake in a configuration, in the order of the file.
type Error struct{ Problems []Problem }

// Error lists the mistakes, one to a line below a first line that counts them.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration has " + e.Count() + ":")
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Count says how many mistakes there are, as in "1 mistake" or "3 mistakes".
func (e *Error) Count() string {
	if len(e.Problems) == 1 {
		return "1 mistake"
	}
	return fmt.Sprintf("%d mistakes", len(e.Problems))
}

// place is where something was written: in the file or in a variable. The
// zero place is nowhere: a default.
type place struct {
	line, column int
	variable     string
}

// mistakes collects problems. A path is reported once, the first time.
type mistakes struct {
	file string
	list []Problem
	seen map[string]bool
}

func (p *mistakes) add(at place, path, format string, args ...any) {
	if path != "" && p.seen[path] {
		return
	}
	p.hide(path)
	file := p.file
	if at.variable != "" {
		file = ""
	}
	p.list = append(p.list, Problem{
		File: file, Line: at.line, Column: at.column, Variable: at.variable,
		Path: path, Message: strings.TrimSuffix(fmt.Sprintf(format, args...), "."),
	})
}

// hide keeps what else is wrong at path from being reported: what is said
// already explains it.
func (p *mistakes) hide(path string) {
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[path] = true
}

// explained reports whether a mistake at path, or around it, was reported.
func (p *mistakes) explained(path string) bool {
	for path != "" {
		if p.seen[path] {
			return true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return false
}

// err returns the mistakes in the order of the file, those in variables last.
func (p *mistakes) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Variable, b.Variable),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return &Error{Problems: p.list}
}

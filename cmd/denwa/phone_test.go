package main

import (
	"bytes"
	"strings"
	"testing"
)

// What was read before a line that can't be one is printed.
func TestPhoneLineTooLong(t *testing.T) {
	var out bytes.Buffer
	root := newRootCommand()
	root.SetIn(strings.NewReader("090-1234-5678\n" + strings.Repeat("9", 100_000) + "\n"))
	root.SetOut(&out)
	root.SetArgs([]string{"phone", "-"})
	err := root.Execute()
	if err == nil || !strings.Contains(err.Error(), "a line is too long") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(out.String(), "+819012345678") {
		t.Errorf("printed %q", out.String())
	}
}

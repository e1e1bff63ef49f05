package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestExit(t *testing.T) {
	cause := errors.New("listen on 127.0.0.1:8080: address already in use")
	listen := withExit(exitListen, cause)
	for _, c := range []struct {
		name    string
		err     error
		code    int
		message string
	}{
		{"no error", nil, exitOK, ""},
		{"no error with a code", withExit(exitListen, nil), exitOK, ""},
		{"an error without a code", cause, exitUsage, cause.Error()},
		{"an error with a code", listen, exitListen, cause.Error()},
		{"wrapped", fmt.Errorf("start: %w", listen), exitListen, "start: " + cause.Error()},
		{"the inner code stays", withExit(exitFailure, fmt.Errorf("start: %w", listen)), exitListen, "start: " + cause.Error()},
		{"all has been said", exitQuietly(exitNo), exitNo, ""},
	} {
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.code)
		}
		if got := message(c.err); got != c.message {
			t.Errorf("%s: message %q, want %q", c.name, got, c.message)
		}
	}
	if !errors.Is(listen, cause) {
		t.Error("the cause is lost")
	}
}

// Each code has one meaning in the help.
func TestExitHelp(t *testing.T) {
	seen := map[int]bool{}
	for _, m := range exitMeanings {
		if seen[m.code] {
			t.Errorf("code %d has two meanings", m.code)
		}
		seen[m.code] = true
	}
	if got := strings.Count(exitHelp(), "\n") + 1; got != 7 {
		t.Errorf("the help lists %d codes, want 7", got)
	}
}

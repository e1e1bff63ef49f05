package main

import (
	"errors"
	"fmt"
	"strings"
)

// The exit codes of every command. They are stable: scripts, containers and
// systemd units branch on them. "denwa --help" prints exitMeanings.
const (
	// The command did what was asked.
	exitOK = 0
	// The answer is no: the phone was not approved, the gateway is not ready,
	// a text is not a phone number, a request of a bench failed, no such
	// verification is kept, a number to unblock isn't blocked.
	exitNo = 1
	// A wrong flag, argument or configuration, or an error from the server.
	// It is also the code of every error that has no other.
	exitUsage = 2
	// serve: an address is in use or can't be listened on.
	exitListen = 3
	// The store can't be reached, or doesn't do what is asked: serve at start, and
	// the commands that an operator has for it.
	exitStore = 4
	// serve: a failure stopped the running gateway.
	exitFailure = 5
	// The person pressed Ctrl-C, as shells report SIGINT.
	exitInterrupted = 130
)

// exitMeanings is what the help says of each code.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitOK, "done; approved (verify); ready (healthcheck)"},
	{exitNo, "not approved (verify); not ready (healthcheck); not a number (phone); requests failed (bench); not there (verifications, numbers, webhook)"},
	{exitUsage, "wrong usage or configuration, or an error from the server"},
	{exitListen, "serve can't listen on an address"},
	{exitStore, "the store can't be reached, or fails (serve: at start)"},
	{exitFailure, "serve was stopped by a failure"},
	{exitInterrupted, "interrupted with Ctrl-C"},
}

// exitHelp lists the exit codes for a help text.
func exitHelp() string {
	var b strings.Builder
	for _, m := range exitMeanings {
		fmt.Fprintf(&b, "  %-4d %s\n", m.code, m.meaning)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// exitError is an error with the code that the process ends with.
type exitError struct {
	code int
	err  error // nil: everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// withExit gives err an exit code, unless it has one already. It keeps nil.
func withExit(code int, err error) error {
	var has *exitError
	if err == nil || errors.As(err, &has) {
		return err
	}
	return &exitError{code: code, err: err}
}

// exitQuietly ends the process with code and prints nothing more.
func exitQuietly(code int) error { return &exitError{code: code} }

// exitCode is the code that the process ends with after err.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	default:
		return exitUsage
	}
}

// message is what to print of err; empty if there is nothing to say.
func message(err error) string {
	var e *exitError
	if err == nil || errors.As(err, &e) && e.err == nil {
		return ""
	}
	return err.Error()
}

package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"denwa/gateway"
)

// Keys are the master keys. Codes, and the names and seals of phone numbers in
// the store, are derived from them.
type Keys struct {
	// Master key: base64 of 32 random bytes, as "openssl rand -base64 32" makes them. All instances use the same.
	Master string `yaml:"master" secret:"true"`
	// Master key to come. Give it to all instances before the first one has it as master, so that they know what that one begins.
	Next string `yaml:"next" secret:"true"`
	// Master keys of before, which still verify what they began. Remove one when the last verification under it has ended.
	Previous []string `yaml:"previous" secret:"true"`
	// Day on which the master key was made, such as 2026-01-31, for a metric that tells its age; empty if nobody knows.
	Created string `yaml:"created"`
}

// Decode returns the keys' bytes, as [gateway.NewKeyring] takes them: the master
// key and what is accepted besides.
func (k Keys) Decode() (master []byte, previous [][]byte, err error) {
	if master, err = decodeKey(k.Master); err != nil {
		return nil, nil, fmt.Errorf("keys.master %w", err)
	}
	if k.Next != "" {
		b, err := decodeKey(k.Next)
		if err != nil {
			return nil, nil, fmt.Errorf("keys.next %w", err)
		}
		previous = append(previous, b)
	}
	for i, p := range k.Previous {
		b, err := decodeKey(p)
		if err != nil {
			return nil, nil, fmt.Errorf("keys.previous[%d] %w", i, err)
		}
		previous = append(previous, b)
	}
	return master, previous, nil
}

var errKey = errors.New(`must be base64 of 32 bytes; "openssl rand -base64 32" makes one`)

// decodeKey reads standard and URL base64, padded or not.
func decodeKey(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != gateway.MasterKeySize {
		return nil, errKey
	}
	return b, nil
}

// Validate reports every mistake in k.
func (k Keys) Validate(report func(field, problem string)) {
	seen := map[string]bool{}
	check := func(field, key string) {
		b, err := decodeKey(key)
		switch {
		case key == "":
			report(field, `is missing; "openssl rand -base64 32" makes one`)
		case err != nil:
			report(field, err.Error())
		case seen[string(b)]:
			report(field, "is the same as another master key")
		}
		seen[string(b)] = true
	}
	check("master", k.Master)
	if k.Next != "" {
		check("next", k.Next)
	}
	for i, p := range k.Previous {
		check(fmt.Sprintf("previous[%d]", i), p)
	}
	if _, err := gateway.ParseDay(k.Created); k.Created != "" && err != nil {
		report("created", err.Error())
	}
}

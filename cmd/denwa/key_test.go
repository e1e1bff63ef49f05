package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// Every value of a random byte leads to a character, or to another draw; all
// characters are as likely.
func TestNewKeyIsUniform(t *testing.T) {
	const keys = 2000
	counts := map[rune]int{}
	for range keys {
		key, err := newKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !isKey(key) {
			t.Fatalf("%q is not a key", key)
		}
		for _, c := range strings.TrimPrefix(key, "dnw_") {
			counts[c]++
		}
	}
	want := float64(keys*40) / float64(len(keyAlphabet))
	var chi float64
	for _, c := range keyAlphabet {
		chi += math.Pow(float64(counts[c])-want, 2) / want
	}
	// 61 degrees of freedom: mean 61, standard deviation 11. Modulo 62 without
	// drawing again would give about 6,000.
	if len(counts) != len(keyAlphabet) || chi > 61+6*11 {
		t.Errorf("%d characters, chi-square %.0f", len(counts), chi)
	}
}

func TestNewKeyWithoutRandomness(t *testing.T) {
	// 62 and 63 name no character.
	if _, err := newKey(bytes.NewReader([]byte{0, 62, 63, 61})); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want EOF", err)
	}
	key, err := newKey(io.MultiReader(bytes.NewReader([]byte{62, 63, 127, 191, 255, 61}), zeros{}))
	if want := "dnw_z" + strings.Repeat("0", 39); err != nil || key != want {
		t.Errorf("newKey = %q, %v; want %q", key, err, want)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestIsKey(t *testing.T) {
	good := "dnw_" + strings.Repeat("aZ09", 10)
	for text, want := range map[string]bool{
		good: true, good + "a": false, good[:43]: false, "": false, "dnw_": false,
		"DNW_" + good[4:]: false, good[:43] + "-": false, good[:20] + "_" + good[21:]: false,
		good[:41] + "あ": false,
	} {
		if got := isKey(text); got != want {
			t.Errorf("isKey(%q) = %t, want %t", text, got, want)
		}
	}
}

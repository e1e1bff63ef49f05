package main

import "testing"

func TestReadyURL(t *testing.T) {
	for listen, want := range map[string]string{
		"":               "http://127.0.0.1:8081/readyz",
		"127.0.0.1:9000": "http://127.0.0.1:9000/readyz",
		":9000":          "http://127.0.0.1:9000/readyz",
		"0.0.0.0:9000":   "http://127.0.0.1:9000/readyz",
		"[::]:9000":      "http://[::1]:9000/readyz",
		"admin:9000":     "http://admin:9000/readyz",
	} {
		if got := readyURL(listen); got != want {
			t.Errorf("readyURL(%q) = %q, want %q", listen, got, want)
		}
	}
}

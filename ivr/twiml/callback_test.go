package twiml

import (
	"net/url"
	"strings"
	"testing"

	"denwa/ivr"
)

func TestAnswer(t *testing.T) {
	for by, want := range map[string]ivr.InputKind{
		"human": ivr.Answered, "unknown": ivr.Answered, "": ivr.Answered, "alien": ivr.Answered,
		"machine_start": ivr.Machine, "machine_end_beep": ivr.Machine, "machine_end_silence": ivr.Machine,
		"machine_end_other": ivr.Machine, "fax": ivr.Machine,
	} {
		if got := Answer(url.Values{"AnsweredBy": {by}}); got != (ivr.Input{Kind: want}) {
			t.Errorf("answered by %q is %+v", by, got)
		}
	}
}

func TestGathered(t *testing.T) {
	keys := func(k string) ivr.Input { return ivr.Input{Kind: ivr.Keys, Keys: k} }
	silence, hungUp := ivr.Input{Kind: ivr.Silence}, ivr.Input{Kind: ivr.HungUp}
	for form, want := range map[string]ivr.Input{
		"Digits=%23":                                 keys("#"),
		"Digits=%23&FinishedOnKey=%23":               keys("#"),
		"Digits=0":                                   keys("0"),
		"Digits=0&FinishedOnKey=%23":                 keys("0#"),
		"Digits=012345&FinishedOnKey=":               keys("012345"),
		"Digits=012345&FinishedOnKey=%23":            keys("012345#"),
		"Digits=*&CallStatus=in-progress":            keys("*"),
		"Digits=ABCD":                                keys("ABCD"),
		"Digits=%23&CallStatus=completed":            keys("#"),
		"Digits=&FinishedOnKey=%23":                  keys("#"),
		"":                                           silence,
		"Digits=":                                    silence,
		"Digits=&FinishedOnKey=timeout":              silence,
		"CallStatus=in-progress":                     silence,
		"Digits=hangup":                              hungUp,
		"CallStatus=completed":                       hungUp,
		"CallStatus=canceled":                        hungUp,
		"CallStatus=failed":                          hungUp,
		"Digits=" + strings.Repeat("1", maxDigits):   keys(strings.Repeat("1", maxDigits)),
		"Digits=" + strings.Repeat("1", maxDigits+1): {},
		"Digits=one":                                 {},
		"Digits=1+1":                                 {},
		"Digits=%EF%BC%91":                           {},
		"Digits=0" + "%00":                           {},
	} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Gathered(values)
		if got != want || (err != nil) != (want == ivr.Input{}) {
			t.Errorf("%q is %+v, %v, want %+v", form, got, err, want)
		}
	}
}

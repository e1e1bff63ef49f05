package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxForeignCode is the longest code of another service, in characters.
const MaxForeignCode = 12

// CodeMessage writes the app's own message around a code that another service
// made, for the holder of the number to. locale is the language that was asked
// for, if there is a text in it; otherwise it is the one of the number's country,
// or the app's. validFor is what the message states; 0 takes the app's. It
// returns the language of the text with it.
//
// A code has 4 to [MaxForeignCode] letters and digits. One that is longer than the
// app's own may make a message longer than the app's may be: a sign-in that costs
// two segments is better than none.
func (p *Policy) CodeMessage(app *AppPolicy, to, locale, code string, validFor time.Duration) (text, language string, err error) {
	if !isForeignCode(code) {
		return "", "", invalid("code", "a code has %d to %d letters and digits", MinOwnCodeLength, MaxForeignCode)
	}
	n, err := app.parse(to, "", "")
	if err != nil {
		return "", "", err
	}
	language, ok := app.messages.Match(locale)
	if !ok {
		if language, err = app.locale("", n); err != nil {
			return "", "", err
		}
	}
	t := Text{
		Locale: language, Brand: app.Brand, Code: code, MaxSegments: app.defaults.MaxSegments,
		Minutes: minutes(cmp.Or(validFor, app.defaults.ExpiresIn)),
	}
	text, _, err = app.messages.SMS(t)
	var long *SegmentsError
	if errors.As(err, &long) {
		t.MaxSegments = long.Needed
		text, _, err = app.messages.SMS(t)
	}
	if err != nil {
		return "", "", fmt.Errorf("write message around a code: %w", err)
	}
	return text, language, nil
}

func isForeignCode(code string) bool {
	return len(code) >= MinOwnCodeLength && len(code) <= MaxForeignCode &&
		strings.Trim(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

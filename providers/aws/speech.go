package aws

import (
	"encoding/xml"
	"fmt"
	"strings"

	"denwa/ivr"
)

// maxSpeech is how many characters of SSML the API takes.
const maxSpeech = 6000

// askForKeys is the key of the prompt that offers keys to press, which nobody
// would hear here.
const askForKeys = "press_zero_hash"

// speech is a call that asks for nothing, as SSML: what it says, and goodbye.
// Each prompt is followed by its pause, so that digits come one by one.
// https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html.
func speech(s ivr.Script) string {
	state, step := s.Begin()
	_, end, _, _ := s.Next(state, ivr.Input{Kind: ivr.Silence})
	var out strings.Builder
	out.WriteString("<speak>")
	for _, p := range append(step.Say, end.Say...) {
		if p.Key == askForKeys {
			continue
		}
		_ = xml.EscapeText(&out, []byte(p.Text)) // a builder doesn't fail
		if p.Pause > 0 {
			fmt.Fprintf(&out, `<break time="%dms"/>`, p.Pause.Milliseconds())
		}
	}
	out.WriteString("</speak>")
	return out.String()
}

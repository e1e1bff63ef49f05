// Package twiml speaks TwiML, the language of Twilio's calls: it renders the
// steps of a call, and reads what Twilio calls back with.
package twiml

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"denwa/ivr"
)

// ContentType is that of a rendered document.
const ContentType = "application/xml; charset=utf-8"

// Voice is how texts are spoken. Twilio refuses to speak where the two don't
// belong together.
type Voice struct {
	// Language as Twilio names it, such as ja-JP.
	Language string
	// Name of the voice, such as Polly.Takumi-Neural.
	Name string
}

// DefaultVoice is the voice for one of [ivr.Locales].
func DefaultVoice(locale string) Voice {
	if ivr.Locale(locale) == "ja" {
		return Voice{Language: "ja-JP", Name: "Polly.Takumi-Neural"}
	}
	return Voice{Language: "en-US", Name: "Polly.Joanna-Neural"}
}

// HangUp is the document that ends a call without a word.
func HangUp() string { return Render(ivr.Step{HangUp: true}, Voice{}, "") }

// Render is the document for a step. Keys and silence are posted to the
// address in action; what was pressed before the step's first word is not heard.
//
// A prompt's audio is played if it is an http or https address, which is all
// that Twilio can fetch. Otherwise its text is spoken.
func Render(step ivr.Step, voice Voice, action string) string {
	d := &document{voice: voice}
	d.raw(xml.Header + "<Response>\n")
	if l := step.Listen; l != nil {
		// finishOnKey is "#" where it isn't given, and its key is never among the
		// digits: "#" alone would be silence. Without actionOnEmptyResult, silence
		// would leave this document instead of being told.
		d.raw(`<Gather input="dtmf" numDigits="%d" finishOnKey="%s" timeout="%d" actionOnEmptyResult="true" method="POST" action="%s">`+"\n",
			l.Max, escape(l.Finish), int(l.Timeout/time.Second), escape(action))
		d.say(step.Say)
		d.raw("</Gather>\n")
	} else {
		d.say(step.Say)
		d.raw("<Hangup/>\n")
	}
	d.raw("</Response>\n")
	return d.String()
}

// document is a document being written.
type document struct {
	strings.Builder
	voice  Voice
	saying bool // inside <Say>
}

func (d *document) raw(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// say plays and speaks prompts. Prompts in a row are spoken as one text, with
// breaks (SSML): <Pause> counts in whole seconds, and each <Say> adds its own
// silence.
func (d *document) say(prompts []ivr.Prompt) {
	for _, p := range prompts {
		if address := p.Audio; fetchable(address) {
			d.quiet()
			d.raw("<Play>%s</Play>\n", escape(address))
		} else {
			d.speak(escape(p.Text))
		}
		if p.Pause > 0 {
			d.speak(fmt.Sprintf(`<break time="%dms"/>`, p.Pause.Milliseconds()))
		}
	}
	d.quiet()
}

func (d *document) speak(markup string) {
	if !d.saying {
		d.raw(`<Say language="%s" voice="%s">`, escape(d.voice.Language), escape(d.voice.Name))
		d.saying = true
	}
	d.WriteString(markup)
}

func (d *document) quiet() {
	if d.saying {
		d.raw("</Say>\n")
		d.saying = false
	}
}

func fetchable(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder doesn't fail
	return b.String()
}

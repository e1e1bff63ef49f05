// Record makes the prompts that Denwa ships, in ../prompts, with the speech
// synthesiser espeak-ng and with sox (Debian: apt-get install espeak-ng sox):
//
//	go run ivr/sipcall/.record/main.go
//
// It is run by hand when a text changed: another version of espeak-ng speaks
// a little differently, so its result is committed and not compared.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"denwa/ivr"
)

// spoken is what espeak-ng reads in Japanese, which it only knows in kana,
// with spaces between words: the texts of ivr, as they are pronounced.
var spoken = map[string]string{
	"greeting":        "でんわばんごーを かくにん するための、 じどーおんせいの おでんわです。",
	"press_hash":      "おてつづきを された ごほんにんの かたわ、 しゃーぷを おしてください。",
	"press_zero_hash": "おこころあたりの ない かたわ、 ぜろ、 しゃーぷの じゅんに おしてください。",
	"type_digits":     "がめんに ひょーじされている すーじを おして、 さいごに しゃーぷを おしてください。",
	"your_code":       "にんしょーこーどを おつたえします。 ほかの ひとにわ おしえないで ください。",
	"code_again":      "もーいちど おつたえします。",
	"report":          "おてつづきに こころあたりが ない ばあいわ、 しゃーぷを おしてください。",
	"wrong_key":       "おされた ぼたんが ちがいます。",
	"wrong_digits":    "ばんごーが ちがいます。",
	"approved":        "かくにん できました。 ありがとー ございました。",
	"denied":          "おしらせ ありがとー ございます。 おてつづきを とりけしました。",
	"goodbye":         "おでんわを おわります。 しつれい いたします。",
	"digit_0":         "ぜろ",
	"digit_1":         "いち",
	"digit_2":         "に",
	"digit_3":         "さん",
	"digit_4":         "よん",
	"digit_5":         "ご",
	"digit_6":         "ろく",
	"digit_7":         "なな",
	"digit_8":         "はち",
	"digit_9":         "きゅー",
}

func main() {
	for _, locale := range ivr.Locales() {
		for _, prompt := range ivr.Prompts(locale) {
			text := prompt.Text
			if locale == "ja" {
				text = spoken[prompt.Key]
			}
			if err := record(locale, prompt.Key, text); err != nil {
				fmt.Fprintf(os.Stderr, "%s/%s: %v\n", locale, prompt.Key, err)
				os.Exit(1)
			}
		}
	}
}

// record speaks text into a file: what a phone carries of it, without the
// silence at both ends, as loud as G.711 should be, µ-law at 8 kHz.
func record(locale, key, text string) error {
	if text == "" {
		return fmt.Errorf("no text")
	}
	file := filepath.Join("ivr", "sipcall", "prompts", locale, key+".wav")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	const script = `espeak-ng -v "$1" -s "$2" -a 100 --stdout -- "$3" |
		sox -R -D -t wav - -e mu-law -r 8000 -c 1 "$4" \
			gain -3 highpass 200 lowpass 3400 \
			silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse \
			pad 0.02 0.05 gain -n -6`
	// Slower than espeak-ng's usual 175 words a minute: a phone is held to the
	// ear anywhere.
	speed := map[string]string{"en": "145", "ja": "150"}[locale]
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script, "record", locale, speed, text, file)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

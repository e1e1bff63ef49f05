package ivr

import "strings"

// Keys of the prompts.
const (
	keyGreeting      = "greeting"
	keyPressHash     = "press_hash"
	keyPressZeroHash = "press_zero_hash"
	keyTypeDigits    = "type_digits"
	keyYourCode      = "your_code"
	keyCodeAgain     = "code_again"
	keyReport        = "report"
	keyWrongKey      = "wrong_key"
	keyWrongDigits   = "wrong_digits"
	keyApproved      = "approved"
	keyDenied        = "denied"
	keyGoodbye       = "goodbye"
	keyDigit         = "digit_" // and the digit

	// keyGreetingBrand is the greeting's text where there is a brand. No
	// recording has it.
	keyGreetingBrand = "greeting_brand"
)

// recorded are the keys of all recordings, in the order of a call.
func recorded() []string {
	keys := []string{
		keyGreeting, keyPressHash, keyPressZeroHash, keyTypeDigits, keyYourCode, keyCodeAgain, keyReport,
		keyWrongKey, keyWrongDigits, keyApproved, keyDenied, keyGoodbye,
	}
	for _, c := range "0123456789" {
		keys = append(keys, keyDigit+string(c))
	}
	return keys
}

// Locales lists the languages that calls speak.
func Locales() []string { return []string{"en", "ja"} }

// Locale is the one of [Locales] for a BCP 47 tag: that of its language, else "en".
func Locale(tag string) string {
	language, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if language == "ja" {
		return "ja"
	}
	return "en"
}

// Prompts lists what is recorded in a locale: every prompt that a call can
// have, once. The greeting is the one without a brand.
func Prompts(locale string) []Prompt {
	s := Script{Locale: locale}
	prompts := make([]Prompt, 0, len(recorded()))
	for _, key := range recorded() {
		prompts = append(prompts, s.prompt(key))
	}
	return prompts
}

// textsFor are the texts of a locale by key.
func textsFor(locale string) map[string]string {
	if Locale(locale) == "ja" {
		return japanese
	}
	return english
}

// Digits are spelled so that each has one reading, and none sounds like
// another: よん and なな, never し and しち.
var japanese = map[string]string{
	keyGreeting:      "電話番号を確認するための、自動音声のお電話です。",
	keyGreetingBrand: "{brand}から、電話番号を確認するための、自動音声のお電話です。",
	keyPressHash:     "お手続きをされたご本人の方は、シャープを押してください。",
	keyPressZeroHash: "お心当たりのない方は、ゼロ、シャープの順に押してください。",
	keyTypeDigits:    "画面に表示されている数字を押して、最後にシャープを押してください。",
	keyYourCode:      "認証コードをお伝えします。ほかの人には教えないでください。",
	keyCodeAgain:     "もう一度お伝えします。",
	keyReport:        "お手続きに心当たりがない場合は、シャープを押してください。",
	keyWrongKey:      "押されたボタンが違います。",
	keyWrongDigits:   "番号が違います。",
	keyApproved:      "確認できました。ありがとうございました。",
	keyDenied:        "お知らせありがとうございます。お手続きを取り消しました。",
	keyGoodbye:       "お電話を終わります。失礼いたします。",
	keyDigit + "0":   "ゼロ",
	keyDigit + "1":   "いち",
	keyDigit + "2":   "に",
	keyDigit + "3":   "さん",
	keyDigit + "4":   "よん",
	keyDigit + "5":   "ご",
	keyDigit + "6":   "ろく",
	keyDigit + "7":   "なな",
	keyDigit + "8":   "はち",
	keyDigit + "9":   "きゅう",
}

// Some call the key hash and some pound.
var english = map[string]string{
	keyGreeting:      "This is an automated call to verify your phone number.",
	keyGreetingBrand: "This is an automated call from {brand} to verify your phone number.",
	keyPressHash:     "If you asked for this call, press the hash key, also called pound.",
	keyPressZeroHash: "If you did not ask for this call, press zero, then hash.",
	keyTypeDigits:    "Type the digits that your screen shows, then press the hash key, also called pound.",
	keyYourCode:      "Here is your verification code. Do not share it with anyone.",
	keyCodeAgain:     "Once more.",
	keyReport:        "To report that you did not ask for this call, press hash.",
	keyWrongKey:      "That was another key.",
	keyWrongDigits:   "Those are not the digits.",
	keyApproved:      "You are verified. Thank you.",
	keyDenied:        "Thank you for telling us. The request is canceled.",
	keyGoodbye:       "The call ends here. Goodbye.",
	keyDigit + "0":   "zero",
	keyDigit + "1":   "one",
	keyDigit + "2":   "two",
	keyDigit + "3":   "three",
	keyDigit + "4":   "four",
	keyDigit + "5":   "five",
	keyDigit + "6":   "six",
	keyDigit + "7":   "seven",
	keyDigit + "8":   "eight",
	keyDigit + "9":   "nine",
}

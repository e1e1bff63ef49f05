package hooks

import (
	"fmt"
	"time"

	"denwa/gateway"
)

// The languages in which persons are told what went wrong.
const (
	japanese = "ja"
	english  = "en"
)

// sentence says one thing in every language.
type sentence map[string]string

func (r *result) words() string {
	switch r.code { //nolint:exhaustive // the others are nothing that a person can do something about.
	case gateway.CodeInvalidNumber:
		return sentence{
			japanese: "電話番号が正しくないようです。ご確認のうえ、もう一度お試しください。",
			english:  "This phone number doesn't seem right. Please check it and try again.",
		}[r.lang]
	case gateway.CodeNumberNotAllowed, gateway.CodeCountryNotAllowed, gateway.CodeChannelNotAvailable:
		return sentence{
			japanese: "この電話番号にはコードを送信できません。別の電話番号をお試しください。",
			english:  "We can't send a code to this phone number. Please use another one.",
		}[r.lang]
	case gateway.CodeBlocked:
		return sentence{
			japanese: "現在、この電話番号にはコードを送信できません。別の電話番号をお使いになるか、窓口にお問い合わせください。",
			english:  "We can't send a code to this phone number at the moment. Please use another one, or ask for help.",
		}[r.lang]
	case gateway.CodeRateLimited:
		return wait(r.retryAfter)[r.lang]
	case gateway.CodeDeliveryFailed, gateway.CodeUnavailable, gateway.CodeIdempotencyConflict:
		return sentence{
			japanese: "コードを送信できませんでした。しばらくしてから、もう一度お試しください。",
			english:  "We couldn't send the code. Please try again in a moment.",
		}[r.lang]
	}
	return sentence{
		japanese: "現在、コードを送信できません。管理者にお問い合わせください。",
		english:  "Codes can't be sent at the moment. Please tell your administrator.",
	}[r.lang]
}

// wait asks to come back after d.
func wait(d time.Duration) sentence {
	n, ja, en := int((d+time.Second-1)/time.Second), "秒", "second"
	switch {
	case d > 2*time.Hour:
		n, ja, en = int((d+time.Hour-1)/time.Hour), "時間", "hour"
	case d > 2*time.Minute:
		n, ja, en = int((d+time.Minute-1)/time.Minute), "分", "minute"
	}
	n = max(1, n)
	if n > 1 {
		en += "s"
	}
	return sentence{
		japanese: fmt.Sprintf("コードの送信回数が上限に達しました。%d%sほど待ってから、もう一度お試しください。", n, ja),
		english:  fmt.Sprintf("Too many codes were sent. Please wait %d %s and try again.", n, en),
	}
}

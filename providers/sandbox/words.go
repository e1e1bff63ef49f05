package sandbox

import "denwa/providers"

// wording is the page in one language.
type wording struct {
	Language, Other, OtherName string

	Title, Lead, NoScript            string
	AddLabel, AddHint, Add, AddWrong string
	MorePhones, Sound, Reconnecting  string
	NoPhones                         string

	Remove, Reset                 string
	Empty, History, Copy, Copied  string
	Calling, InCall, Listening    string
	Said, Keypad, Keys, Extension string
	Answer, Decline, HangUp       string

	Next, NextHint string
	// Choices are what the phone, or the carrier, does next.
	Choices []choice
	// Message and Call name what became of one.
	Message, Call []named
	// Refusals say why a call can't be treated like that.
	Refusals []named
	Failed   string
}

// choice is a row of behaviours, of which one holds.
type choice struct {
	Name, Label string
	Options     []option
}

// option is one behaviour. Value is what the API calls it; "slow" is a usual
// message whose last receipt comes late.
type option struct{ Value, Label string }

type named struct{ Name, Label string }

func status(s providers.Status, label string) named { return named{string(s), label} }

func becomes(s providers.Status, label string) option { return option{string(s), label} }

func fails(k providers.Kind, label string) option { return option{string(k), label} }

// words are the languages of the page. The first is for whoever prefers none of
// them; a new one is one more element.
var words = []wording{
	{
		Language: "ja", Other: "en", OtherName: "English",
		Title:    "画面の電話",
		Lead:     "通信会社を使わずに試すための電話です。SMS はここに届き、電話はここで鳴ります。",
		NoScript: "この画面の電話には JavaScript が必要です。",
		AddLabel: "電話番号", AddHint: "0 で始まる番号は日本の番号として扱います。", Add: "電話を増やす",
		AddWrong:   "電話番号として読めません。例: 090-1234-5678",
		MorePhones: "ほかに使われた番号", Sound: "音と声を出す", Reconnecting: "接続が切れました。つなぎ直しています…",
		NoPhones: "電話がありません。番号を入れて増やしてください。",
		Remove:   "画面から外す", Reset: "初期状態に戻す",
		Empty: "まだ何も届いていません。", History: "履歴、新しい順", Copy: "コードをコピー", Copied: "コピーしました",
		Calling: "着信中", InCall: "通話中", Listening: "キー入力を待っています", Said: "音声の内容", Keypad: "キーパッド",
		Keys: "押したキー", Extension: "内線", Answer: "出る", Decline: "拒否", HangUp: "切る",
		Next: "つぎに起きること", NextHint: "一度だけ効きます。",
		Choices: []choice{
			{"sms", "つぎの SMS", []option{
				becomes(providers.Delivered, "届く"),
				{"slow", "遅い（10 秒）"},
				becomes(providers.Undelivered, "届かない"),
				becomes(providers.Expired, "期限切れ"), becomes(providers.Sent, "報告が来ない"),
			}},
			{"voice", "つぎの電話", []option{
				becomes(providers.Ringing, "鳴る"), becomes(providers.Busy, "話し中"), becomes(providers.NoAnswer, "応答なし"),
				becomes(providers.Machine, "留守番電話"), becomes(providers.Declined, "着信拒否"), becomes(providers.Unreachable, "圏外"),
			}},
			{"error", "通信会社", []option{
				{"", "受け付ける"},
				fails(providers.Throttled, "混雑"), fails(providers.Unavailable, "停止中"),
				fails(providers.Ambiguous, "応答なし"), fails(providers.Rejected, "拒否"),
			}},
		},
		Message: []named{
			status(providers.Accepted, "受付済み"), status(providers.Sent, "送信済み"), status(providers.Delivered, "配信済み"),
			status(providers.Undelivered, "届きませんでした"), status(providers.Failed, "送信失敗"), status(providers.Expired, "期限切れ"),
		},
		Call: []named{
			status(providers.Accepted, "発信中"), status(providers.Ringing, "着信中"), status(providers.Answered, "通話中"),
			status(providers.Delivered, "読み上げ完了"), status(providers.Confirmed, "確認されました"), status(providers.Denied, "本人が否認"),
			status(providers.NoInput, "キー入力なし"), status(providers.WrongInput, "キーの間違い"), status(providers.HungUp, "切られました"),
			status(providers.Machine, "留守番電話"), status(providers.Busy, "話し中"), status(providers.NoAnswer, "応答なし"),
			status(providers.Declined, "着信拒否"), status(providers.Unreachable, "圏外"), status(providers.Failed, "失敗"),
		},
		Refusals: []named{
			{refusedEnded.code, "通話は終わっています。"},
			{refusedRinging.code, "もう鳴っていません。"},
			{refusedListening.code, "いまはキーを待っていません。"},
			{refusedDecided.code, "この通話の結果は、選んだ動作で決まっています。"},
		},
		Failed: "ゲートウェイが応答しません。もう一度お試しください。",
	},
	{
		Language: "en", Other: "ja", OtherName: "日本語",
		Title:    "Phone on the screen",
		Lead:     "A phone for trying things out without a carrier. Text messages arrive here, and calls ring here.",
		NoScript: "The phone on the screen needs JavaScript.",
		AddLabel: "Phone number", AddHint: "A number that starts with 0 is taken as one of Japan.", Add: "Add phone",
		AddWrong:   "That doesn't read as a phone number. Example: 090-1234-5678",
		MorePhones: "Other numbers in use", Sound: "Sound and speech", Reconnecting: "The connection was lost. Connecting again…",
		NoPhones: "There is no phone. Add one by its number.",
		Remove:   "Take off the screen", Reset: "Make it as new",
		Empty: "Nothing has arrived yet.", History: "History, latest first", Copy: "Copy code", Copied: "Copied",
		Calling: "Incoming call", InCall: "In call", Listening: "Waiting for keys", Said: "What the call says", Keypad: "Keypad",
		Keys: "Keys pressed", Extension: "Extension", Answer: "Answer", Decline: "Decline", HangUp: "Hang up",
		Next: "What happens next", NextHint: "It holds once.",
		Choices: []choice{
			{"sms", "Next SMS", []option{
				becomes(providers.Delivered, "arrives"),
				{"slow", "slow (10 s)"},
				becomes(providers.Undelivered, "undelivered"),
				becomes(providers.Expired, "expires"), becomes(providers.Sent, "no receipt"),
			}},
			{"voice", "Next call", []option{
				becomes(providers.Ringing, "rings"), becomes(providers.Busy, "busy"), becomes(providers.NoAnswer, "no answer"),
				becomes(providers.Machine, "voicemail"), becomes(providers.Declined, "declined"), becomes(providers.Unreachable, "unreachable"),
			}},
			{"error", "Carrier", []option{
				{"", "accepts"},
				fails(providers.Throttled, "throttled"), fails(providers.Unavailable, "down"),
				fails(providers.Ambiguous, "times out"), fails(providers.Rejected, "rejects"),
			}},
		},
		Message: []named{
			status(providers.Accepted, "Accepted"), status(providers.Sent, "Sent"), status(providers.Delivered, "Delivered"),
			status(providers.Undelivered, "Not delivered"), status(providers.Failed, "Failed"), status(providers.Expired, "Expired"),
		},
		Call: []named{
			status(providers.Accepted, "Dialling"), status(providers.Ringing, "Ringing"), status(providers.Answered, "In call"),
			status(providers.Delivered, "Read out"), status(providers.Confirmed, "Confirmed"), status(providers.Denied, "Reported as not asked for"),
			status(providers.NoInput, "No key pressed"), status(providers.WrongInput, "Wrong keys"), status(providers.HungUp, "Hung up"),
			status(providers.Machine, "Voicemail"), status(providers.Busy, "Busy"), status(providers.NoAnswer, "No answer"),
			status(providers.Declined, "Declined"), status(providers.Unreachable, "Unreachable"), status(providers.Failed, "Failed"),
		},
		Refusals: []named{
			{refusedEnded.code, "The call has ended."},
			{refusedRinging.code, "It doesn't ring any more."},
			{refusedListening.code, "Nobody waits for keys now."},
			{refusedDecided.code, "The behaviour that you chose decides this call."},
		},
		Failed: "The gateway doesn't answer. Try again.",
	},
}

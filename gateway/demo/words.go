package demo

// wording is the page in one language.
type wording struct {
	Language, Other, OtherName string

	Brand, About, Phone                  string
	FormTitle, FormLead                  string
	Name, Number, Optional, NumberHint   string
	Ways, Both, SMS, Voice               string
	Next, NumberWrong                    string
	DoneTitle, DoneLead, DoneNumber      string
	OpenTitle, OpenLead, GoOn            string
	OverTitle, OverLead, Again           string
	Limited, Unavailable, Stale          string
	HowTitle, HowAsk, HowGo, HowBack     string
	Greeting                             string // with the name in front or behind it
	GreetingBefore                       bool
	Finish                               string
	StepLabel                            string
	StepName, StepNumber, StepRegistered string
}

// languages are those of the page. The first is for whoever prefers none of
// them; a new one is one more element.
var languages = []wording{
	{
		Language: "ja", Other: "en", OtherName: "English",
		Brand: "デモ登録窓口", About: "Denwa を使う登録サイトの見本です。入力した内容は保存されません。", Phone: "画面の電話を開く",
		FormTitle: "利用登録", FormLead: "登録には、電話番号の確認が必要です。次の画面で、SMS か電話で確認します。",
		Name: "お名前", Number: "電話番号", Optional: "任意", NumberHint: "入力しておくと、次の画面に引き継がれます。",
		Ways: "確認の方法", Both: "次の画面で選ぶ", SMS: "SMS だけ", Voice: "電話だけ",
		Next: "電話番号の確認へ進む", NumberWrong: "この電話番号は使えません。番号を確かめてください。",
		DoneTitle: "登録が完了しました", DoneLead: "電話番号の確認が済みました。", DoneNumber: "確認済みの番号",
		OpenTitle: "確認がまだ終わっていません", OpenLead: "途中から続けることができます。", GoOn: "確認を続ける",
		OverTitle: "電話番号を確認できませんでした", OverLead: "登録は完了していません。はじめからやり直してください。", Again: "はじめからやり直す",
		Limited: "回数が多すぎます。しばらく待ってから、もう一度お試しください。", Unavailable: "ただいま確認を始められません。しばらくしてから、もう一度お試しください。",
		Stale:    "入力を受け付けられませんでした。もう一度お試しください。",
		HowTitle: "しくみ", HowAsk: "窓口のサーバーが POST /v1/sessions で確認ページを作ります。API キーはブラウザーに渡りません。",
		HowGo: "ブラウザーは Denwa の確認ページへ移り、終わると戻ります。", HowBack: "窓口のサーバーが GET /v1/sessions/{id} で結果を確かめます。ブラウザーの言うことは信用しません。",
		Greeting: "さん", Finish: "完了", StepLabel: "登録の手順", StepName: "入力", StepNumber: "番号の確認", StepRegistered: "完了",
	},
	{
		Language: "en", Other: "ja", OtherName: "日本語",
		Brand: "Demo registration", About: "An example of a portal that uses Denwa. Nothing that you enter is kept.", Phone: "Open the phone on the screen",
		FormTitle: "Register", FormLead: "To register, you prove your phone number, on the next page, by SMS or by call.",
		Name: "Name", Number: "Phone number", Optional: "optional", NumberHint: "If you enter it now, the next page has it already.",
		Ways: "How to prove it", Both: "Choose on the next page", SMS: "SMS only", Voice: "Call only",
		Next: "Continue to the phone number", NumberWrong: "This phone number can't be used. Check it, please.",
		DoneTitle: "You are registered", DoneLead: "Your phone number is proved.", DoneNumber: "Proved number",
		OpenTitle: "Your number isn't proved yet", OpenLead: "You can go on where you left.", GoOn: "Go on",
		OverTitle: "Your number couldn't be proved", OverLead: "You are not registered. Please start again.", Again: "Start again",
		Limited: "That was too often. Wait a little, then try again.", Unavailable: "This can't be started now. Try again in a little while.",
		Stale:    "That couldn't be taken. Please try again.",
		HowTitle: "How it works", HowAsk: "The portal's server asks for a page with POST /v1/sessions. The API key never reaches the browser.",
		HowGo: "The browser goes to Denwa's page, and comes back when it is done.", HowBack: "The portal's server asks GET /v1/sessions/{id} how it went. It doesn't take the browser's word.",
		Greeting: "Thank you, ", GreetingBefore: true, Finish: "Done", StepLabel: "Steps", StepName: "Your details", StepNumber: "Phone number", StepRegistered: "Registered",
	},
}

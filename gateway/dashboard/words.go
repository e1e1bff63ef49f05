package dashboard

import (
	"fmt"
	"time"

	"denwa/gateway"
	"denwa/providers"
)

// wording is the page in one language.
type wording struct {
	Language, Other, OtherName string

	Title, Lead, Live, Lost, Unreadable, Nothing string
	WindowsLabel                                 string
	Windows                                      map[string]string
	Stages, Notes                                [4]string
	ChartTitle, ChartLabel, Legend               string
	Requested, Approved, Fail                    string
	Tables                                       [4]string
	Group, TimesTitle                            string
	Times                                        [3]string
	FailuresTitle, Where, What, Count, ShareOf   string
	NoFailures                                   string
	AboutTitle                                   string
	About                                        []string
	Refused, Ended                               string

	Channels map[providers.Channel]string
	Kinds    map[providers.Kind]string
	Statuses map[providers.Status]string
	Ends     map[string]string

	one, many, gone, columnForm string
	second, minute              string
}

func (w wording) instances(n int) string {
	if n == 1 {
		return w.one
	}
	return fmt.Sprintf(w.many, n)
}

func (w wording) silent(instance string, d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf(w.gone, instance, int(d.Seconds()), w.second)
	}
	return fmt.Sprintf(w.gone, instance, int(d.Minutes()), w.minute)
}

func (w wording) column(at string, s slot) string {
	return fmt.Sprintf(w.columnForm, at, s.Requested, s.Delivered, s.Approved, s.Fail)
}

// languages are those of the page. The first is for whoever prefers none of
// them; a new one is one more element.
var languages = []wording{
	{
		Language: "en", Other: "ja", OtherName: "日本語",
		Title: "Deliveries", Lead: "What becomes of messages and calls, over all instances.",
		Live: "live", Lost: "The gateway doesn't answer. This is what it said last; trying again…",
		Unreadable: "The store doesn't answer, so there is nothing to show. The page tries again by itself.",
		Nothing:    "Nothing was requested in this time.", WindowsLabel: "Time",
		Windows: map[string]string{"15m": "15 minutes", "1h": "1 hour", "24h": "24 hours"},
		Stages:  [4]string{"Requested", "Accepted", "Delivered", "Approved"},
		Notes: [4]string{
			"A provider was asked for a message or a call", "The provider took it",
			"The handset has the message, or somebody answered the call", "The person proved to hold the number",
		},
		ChartTitle: "Over time", ChartLabel: "Requested, approved and failed over time",
		Legend: "most in one column", Requested: "Requested", Approved: "Approved", Fail: "Failed",
		Tables: [4]string{"By channel", "By provider", "By country", "By channel, provider and country"},
		Group:  "Group", TimesTitle: "How long it takes",
		Times:         [3]string{"Provider's answer", "Accepted to delivered", "Start to approved"},
		FailuresTitle: "Failures", Where: "Where", What: "What", Count: "Count", ShareOf: "Of all requested",
		NoFailures: "None in this time.", AboutTitle: "What these numbers are",
		About: []string{
			"Sums over all instances, kept in the store. Each instance adds what it counted once a second; one that is killed loses its last second.",
			"Each step is counted when it happens. What was requested before the time shown may be delivered or approved in it, so a share can pass 100 %.",
			"A share is of the step before. It is marked below 80 % and again below 50 %, from 20 on. A resend is requested again; a verification is approved once.",
			"Percentiles are read from the buckets of the Prometheus histograms, as if times were spread evenly over a bucket.",
			"15 minutes and 1 hour come in columns of a minute, 24 hours in columns of ten. The last column isn't over yet.",
		},
		Refused: "Refused by the provider", Ended: "Verification",
		Channels: map[providers.Channel]string{providers.SMS: "SMS", providers.Voice: "Call"},
		Kinds: map[providers.Kind]string{
			providers.Invalid: "invalid number or message", providers.Rejected: "rejected", providers.Throttled: "throttled",
			providers.Unavailable: "unavailable", providers.Auth: "credentials refused", providers.Ambiguous: "no clear answer",
		},
		Statuses: map[providers.Status]string{
			providers.Undelivered: "Not delivered", providers.Failed: "Failed", providers.Expired: "Expired on the way",
			providers.Denied: "Reported as not asked for", providers.NoInput: "No key pressed", providers.WrongInput: "Wrong keys",
			providers.HungUp: "Hung up", providers.Machine: "Voicemail", providers.Busy: "Busy", providers.NoAnswer: "No answer",
			providers.Declined: "Declined", providers.Unreachable: "Unreachable",
		},
		Ends: map[string]string{
			string(gateway.Failed): "wrong codes used up the attempts", string(gateway.Expired): "expired", string(gateway.Denied): "denied",
		},
		one: "1 instance is counting", many: "%d instances are counting",
		gone: "Instance %s has been silent for %d %s: it stopped, or can't reach the store.", columnForm: "%s: %d requested, %d delivered, %d approved, %d failed",
		second: "s", minute: "min",
	},
	{
		Language: "ja", Other: "en", OtherName: "English",
		Title: "配信の状況", Lead: "SMS と電話がどうなったかを、全インスタンスの合計で表示します。",
		Live: "自動更新中", Lost: "ゲートウェイが応答しません。表示は最後に取得した内容です。再接続しています…",
		Unreadable: "ストアが応答しないため、表示できるデータがありません。自動的に再試行します。",
		Nothing:    "この期間に要求はありません。", WindowsLabel: "期間",
		Windows: map[string]string{"15m": "15 分", "1h": "1 時間", "24h": "24 時間"},
		Stages:  [4]string{"要求", "受付", "到達", "承認"},
		Notes: [4]string{
			"通信会社に SMS か電話を依頼", "通信会社が受け付けた",
			"SMS が端末に届いた、または電話に応答した", "本人が番号の所持を証明した",
		},
		ChartTitle: "時間の推移", ChartLabel: "要求、承認、失敗の推移",
		Legend: "最大の列", Requested: "要求", Approved: "承認", Fail: "失敗",
		Tables: [4]string{"チャネル別", "通信会社別", "国別", "チャネル・通信会社・国別"},
		Group:  "区分", TimesTitle: "かかった時間",
		Times:         [3]string{"通信会社の応答", "受付から到達まで", "開始から承認まで"},
		FailuresTitle: "失敗", Where: "場所", What: "内容", Count: "件数", ShareOf: "全要求に対する割合",
		NoFailures: "この期間にはありません。", AboutTitle: "この数字について",
		About: []string{
			"ストアにある全インスタンスの合計です。各インスタンスは 1 秒ごとに加算します。強制終了したインスタンスの最後の 1 秒は失われます。",
			"各段階は、起きた時点で数えます。期間の前に要求されたものが期間内に到達・承認されることがあるため、割合は 100 % を超えることがあります。",
			"割合は一つ前の段階に対するものです。20 件以上で 80 % 未満、50 % 未満に印が付きます。再送は改めて要求として数え、承認は一度だけ数えます。",
			"百分位は Prometheus のヒストグラムと同じ区間から、区間内で均等と仮定して求めています。",
			"15 分と 1 時間は 1 分ごと、24 時間は 10 分ごとの列です。最後の列は途中経過です。",
		},
		Refused: "通信会社が拒否", Ended: "検証",
		Channels: map[providers.Channel]string{providers.SMS: "SMS", providers.Voice: "電話"},
		Kinds: map[providers.Kind]string{
			providers.Invalid: "番号か内容が無効", providers.Rejected: "受付不可", providers.Throttled: "混雑",
			providers.Unavailable: "停止中", providers.Auth: "認証情報が無効", providers.Ambiguous: "結果が不明",
		},
		Statuses: map[providers.Status]string{
			providers.Undelivered: "不達", providers.Failed: "失敗", providers.Expired: "配信の期限切れ",
			providers.Denied: "心当たりがないとの申告", providers.NoInput: "キー入力なし", providers.WrongInput: "キーの間違い",
			providers.HungUp: "途中で切断", providers.Machine: "留守番電話", providers.Busy: "話し中", providers.NoAnswer: "応答なし",
			providers.Declined: "着信拒否", providers.Unreachable: "圏外",
		},
		Ends: map[string]string{
			string(gateway.Failed): "コードの誤りが上限に到達", string(gateway.Expired): "期限切れ", string(gateway.Denied): "本人が否認",
		},
		one: "1 インスタンスが計測中", many: "%d インスタンスが計測中",
		gone: "インスタンス %s は %d %s、計測を送っていません。停止したか、ストアに届いていません。", columnForm: "%s: 要求 %d、到達 %d、承認 %d、失敗 %d",
		second: "秒間", minute: "分間",
	},
}

package dashboard

// lessonWords are what the page says of learning routes, in one language.
type lessonWords struct {
	Title, Lead, Stale, Nothing                     string
	Country, Provider, Share, Conversion, Sent, Why string
	About                                           []string

	configured, usual, noCountry, more, hours, minutes                string
	tooLittle, worse, perhapsWorse, takesOver, explored, asConfigured string
}

// lessonLanguages are by the language of a [wording].
var lessonLanguages = map[string]lessonWords{
	"en": {
		Title: "Learning routes", Lead: "Which provider is asked first in each country, by what converted lately.",
		Stale:   "The numbers can't be read at the moment, so routes go by their configuration.",
		Nothing: "Nothing is known yet, so the route goes by its configuration.",
		Country: "Country", Provider: "Provider", Share: "Asked first", Conversion: "Conversion", Sent: "Verifications", Why: "Why",
		About: []string{
			"A verification counts for the provider that was asked first, and as converted if it was approved with that one message. What is younger than two minutes doesn't count yet.",
			"Numbers are weighted by age. Providers are compared within the same ten minutes, so a bad time for all of them says nothing against one.",
		},
		configured: "explores %s, half-life %s", usual: "configured %s", noCountry: "none", more: "and %d more countries", hours: "h", minutes: "min",
		tooLittle: "as configured: too little is known", worse: "converts worse than %s, to %s certain",
		perhapsWorse: "seems to convert worse than %s, to %s certain", takesOver: "takes over from others", explored: "tried, to notice if it converts better",
		asConfigured: "as configured",
	},
	"ja": {
		Title: "学習するルート", Lead: "最近の承認率から、最初に依頼する通信会社を国ごとに選びます。",
		Stale:   "現在、集計を読み取れないため、ルートは設定どおりに動作しています。",
		Nothing: "まだデータがないため、設定どおりに動作しています。",
		Country: "国", Provider: "通信会社", Share: "最初の依頼先", Conversion: "承認率", Sent: "検証数", Why: "理由",
		About: []string{
			"検証は、最初に依頼した通信会社の分として数えます。その一通だけで承認されたものが「承認」です。送信から 2 分以内のものはまだ数えません。",
			"新しいものほど重く数えます。比較は同じ 10 分間の中で行うため、全社が一斉に悪くなっても、どこか一社の評価が下がることはありません。",
		},
		configured: "探索 %s、半減期 %s", usual: "設定 %s", noCountry: "国なし", more: "ほか %d か国", hours: "時間", minutes: "分",
		tooLittle: "データが少ないため設定どおり", worse: "%s より承認率が低い（確度 %s）",
		perhapsWorse: "%s より承認率が低い模様（確度 %s）", takesOver: "ほかの通信会社の分を引き受け", explored: "回復や改善に気づくための試行",
		asConfigured: "設定どおり",
	},
}

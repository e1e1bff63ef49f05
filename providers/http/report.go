package http

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// maxItems bounds the messages that one report is on.
const maxItems = 100

var errReport = errors.New("the report is not what receipts says")

// reports understands what the aggregator reports.
type reports struct {
	cfg     ReceiptConfig
	items   []string // of the list, as a JSON pointer
	matches []*regexp.Regexp
}

func newReports(c ReceiptConfig) (r reports, err error) {
	r.cfg = c
	if r.items, err = parsePointer(c.Items); err != nil {
		return reports{}, err
	}
	for _, rule := range c.Rules {
		match, err := wholly(rule.Match)
		if err != nil {
			return reports{}, err
		}
		r.matches = append(r.matches, match)
	}
	return r, nil
}

// report is what became of one message.
type report struct {
	// name is that of the delivery, or the aggregator's id of the message.
	name string
	// status is the aggregator's word.
	status string
	code   string
	kind   providers.Kind // if it didn't reach the phone
}

// parse reads an authentic report.
func (r reports) parse(query string, body []byte) ([]report, error) {
	all, err := r.split(query, body)
	if err != nil || len(all) > maxItems {
		return nil, errReport
	}
	parsed := make([]report, 0, len(all))
	for _, f := range all {
		name, named := f.field(r.cfg.Delivery + r.cfg.MessageID) // one of the two is set
		status, ok := f.field(r.cfg.Status)
		if !named || !ok || !idForm.MatchString(name) {
			return nil, errReport
		}
		one := report{name: name, status: status, kind: r.kind(f)}
		if r.cfg.ErrorCode != "" {
			code, _ := f.field(r.cfg.ErrorCode)
			one.code = errorCode(code)
		}
		parsed = append(parsed, one)
	}
	return parsed, nil
}

// kind is what the first rule that fits says, or "".
func (r reports) kind(f fields) providers.Kind {
	for i, rule := range r.cfg.Rules {
		if value, ok := f.field(rule.Field); ok && r.matches[i].MatchString(value) {
			return providers.Kind(rule.Means)
		}
	}
	return ""
}

// split returns the fields of each message's report.
func (r reports) split(query string, body []byte) ([]fields, error) {
	switch r.cfg.Format {
	case Query:
		values, err := url.ParseQuery(query)
		return []fields{formFields(values)}, err
	case Form:
		values, err := url.ParseQuery(string(body))
		return []fields{formFields(values)}, err
	case JSON:
		value, err := decode(body)
		if err != nil {
			return nil, errReport
		}
		value, ok := resolve(value, r.items)
		if !ok {
			return nil, errReport
		}
		list, ok := value.([]any)
		if !ok {
			return []fields{jsonFields{value}}, nil
		}
		var all []fields
		for _, item := range list {
			all = append(all, jsonFields{item})
		}
		return all, nil
	}
	return nil, errReport
}

// take hands an authentic report's receipts on and answers.
func (p *Provider) take(w http.ResponseWriter, r *http.Request, body []byte) {
	ctx := r.Context()
	all, err := p.reports.parse(r.URL.RawQuery, body)
	if err != nil {
		p.refusals.Do(func() { p.log.WarnContext(ctx, "report not understood: look at receipts in the configuration") })
		carrierhttp.Refuse(w, http.StatusBadRequest)
		return
	}
	if err := p.apply(ctx, all); err != nil {
		p.log.WarnContext(ctx, "receipt not taken, the aggregator is asked to repeat it", "error", err)
		carrierhttp.Refuse(w, http.StatusServiceUnavailable)
		return
	}
	if p.cfg.Receipts.Answer == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// If the aggregator went away, it reports again, which is no news then.
	_, _ = io.WriteString(w, p.cfg.Receipts.Answer)
}

// apply hands on what is news.
func (p *Provider) apply(ctx context.Context, all []report) error {
	var news []report
	for _, one := range all {
		ours, known := p.cfg.Receipts.Statuses[one.status]
		if !known {
			p.unknowns.Do(func() {
				p.log.WarnContext(ctx, "unknown status: add it to receipts.statuses", "status", errorCode(one.status))
			})
		}
		if one.status = ours; known && providers.Status(ours) != providers.Accepted {
			news = append(news, one)
		}
	}
	deliveries, err := p.deliveries(ctx, news)
	if err != nil {
		return err
	}
	for i, one := range news {
		if deliveries[i] == "" {
			continue // no message of ours
		}
		receipt := providers.Receipt{Delivery: deliveries[i], Status: providers.Status(one.status), Code: one.code}
		if receipt.Status.Lost() {
			receipt.Kind = one.kind
		}
		if err := p.receive(ctx, p.cfg.Name, receipt); err != nil {
			return err
		}
	}
	return nil
}

// A report may overtake the reply that names the message.
const (
	recallTries = 4
	recallPause = 250 * time.Millisecond
)

// deliveries are the names of the deliveries that reports are on, "" for one
// that isn't known.
func (p *Provider) deliveries(ctx context.Context, all []report) ([]string, error) {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.name
	}
	if p.cfg.Receipts.MessageID == "" || len(all) == 0 {
		return names, nil
	}
	for try := 1; ; try++ {
		found, err := p.ids.Recall(ctx, names...)
		if err != nil || try == recallTries || !slices.Contains(found, "") {
			return found, err
		}
		timer := time.NewTimer(recallPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

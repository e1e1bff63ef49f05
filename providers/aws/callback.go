package aws

import (
	"encoding/json"
	"errors"
	"net/http"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// maxCallback bounds a message of SNS; an event has about 1 KiB.
const maxCallback = 256 << 10

// Callbacks returns the handler for what SNS posts, at /events. A subscription
// of the configured topic is confirmed there.
//
// It answers what it took with 204, also what is no news or isn't about a
// message of ours; with 403 what SNS didn't sign for the topic; with 400 what
// makes no sense; and with 503 when the receiver failed or a signature can't be
// verified now, which SNS then repeats. Events come more than once and in any
// order: sorting that out is the receiver's.
func (p *Provider) Callbacks() http.Handler {
	mux := http.NewServeMux()
	if p.topic.arn != "" {
		mux.HandleFunc("POST /events", p.events)
	}
	return mux
}

func (p *Provider) events(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	body, ok := carrierhttp.ReadReport(w, r, maxCallback)
	if !ok {
		return
	}
	e, err := p.topic.verify(ctx, body, p.now())
	if err != nil {
		p.refusals.Do(func() { p.log.WarnContext(ctx, "event refused", "error", err) })
		if errors.Is(err, errForged) {
			carrierhttp.Refuse(w, http.StatusForbidden)
		} else {
			carrierhttp.Refuse(w, http.StatusServiceUnavailable)
		}
		return
	}
	switch e.Type {
	case typeNotification:
		p.event(w, r, []byte(e.Message))
		return
	case typeSubscription:
		if err := p.topic.confirm(ctx, p.http, e.Token); err != nil {
			p.log.WarnContext(ctx, "subscription not confirmed", "topic", e.TopicARN, "error", err)
			carrierhttp.Refuse(w, http.StatusServiceUnavailable)
			return
		}
		p.log.InfoContext(ctx, "subscription confirmed", "topic", e.TopicARN)
	case typeUnsubscribed:
		p.log.WarnContext(ctx, "unsubscribed: aws doesn't report deliveries any more", "topic", e.TopicARN)
	}
	w.WriteHeader(http.StatusNoContent)
}

// event takes one event of the event destination.
// https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html.
func (p *Provider) event(w http.ResponseWriter, r *http.Request, message []byte) {
	ctx := r.Context()
	var event struct {
		Type    string            `json:"eventType"`
		Final   bool              `json:"isFinal"`
		Context map[string]string `json:"context"`
	}
	if err := json.Unmarshal(message, &event); err != nil {
		p.refusals.Do(func() { p.log.WarnContext(ctx, "event is not what aws documents") })
		carrierhttp.Refuse(w, http.StatusBadRequest)
		return
	}
	status, known := eventStatus(event.Type, event.Final)
	delivery := event.Context[deliveryKey]
	if !known && delivery != "" {
		p.refusals.Do(func() { p.log.WarnContext(ctx, "unknown event from aws", "event", eventName(event.Type)) })
	}
	if status != providers.Accepted && delivery != "" {
		receipt := providers.Receipt{Delivery: delivery, Status: status, Code: eventCode(event.Type, status), Kind: eventKind(event.Type)}
		if err := p.receive(ctx, p.cfg.Name, receipt); err != nil {
			p.log.WarnContext(ctx, "receipt not taken, sns will repeat it", "error", err)
			carrierhttp.Refuse(w, http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// eventName is an event's type as the log may hold it.
func eventName(event string) string {
	if !codeForm.MatchString(event) {
		return ""
	}
	return event
}

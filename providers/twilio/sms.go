package twilio

import (
	"context"
	"errors"
	"net/url"
	"time"

	rest "github.com/twilio/twilio-go/rest/api/v2010"

	"denwa/providers"
)

// maxValidity is the longest ValidityPeriod that Twilio takes, and its default.
const maxValidity = 36_000 * time.Second

// retryOverride makes Twilio repeat a callback that got a 5xx or timed out;
// by itself it repeats only a failed connection, once. Three repeats are made
// within 15 s. A fragment is neither sent nor signed.
const retryOverride = "#rc=3&rp=5xx,ct,rt"

// SendMessage creates one Message resource. It does so once: a request that
// may have been read is never repeated, and one that wasn't is left to the
// next provider of the route (Go's dialer has tried every address of the host
// by then).
func (p *Provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()

	params := &rest.CreateMessageParams{}
	params.SetTo(msg.To).SetBody(msg.Text).SetValidityPeriod(seconds(msg.ValidFor, time.Second, maxValidity))
	if p.sms.MessagingServiceSID != "" {
		params.SetMessagingServiceSid(p.sms.MessagingServiceSID)
	} else {
		params.SetFrom(p.sms.From)
	}
	if p.reports {
		params.SetStatusCallback(p.callbacks + "/status?delivery=" + url.QueryEscape(msg.Delivery) + retryOverride)
	}

	reply, err := p.api(ctx).CreateMessage(params)
	if err != nil {
		return providers.Acceptance{}, notCreated(err)
	}
	return accepted(reply)
}

// notCreated is the failure in an error of twilio-go. One that isn't ours says
// that a reply of status 2xx could not be read, and may quote it.
func notCreated(err error) *providers.Error {
	var failure *providers.Error
	if errors.As(err, &failure) {
		return failure
	}
	return unreadable()
}

// api is Twilio's API under ctx.
func (p *Provider) api(ctx context.Context) *rest.ApiService {
	return rest.NewApiServiceWithClient(call{Client: p.client, provider: p, ctx: ctx})
}

// accepted reads the Message resource that Twilio created.
func accepted(reply *rest.ApiV2010Message) (providers.Acceptance, error) {
	if reply.Sid == nil || !messageSIDForm.MatchString(*reply.Sid) || reply.Status == nil {
		return providers.Acceptance{}, unreadable()
	}
	code := 0
	if reply.ErrorCode != nil {
		code = *reply.ErrorCode
	}
	switch status, _ := messageStatus(*reply.Status, code); status {
	case providers.Failed, providers.Undelivered, providers.Expired:
		return providers.Acceptance{}, failedAtOnce(code)
	default:
		return providers.Acceptance{Reference: *reply.Sid}, nil
	}
}

func unreadable() *providers.Error {
	return &providers.Error{Kind: providers.Ambiguous, Err: errors.New("twilio accepted the request, but its reply is not what was asked for")}
}

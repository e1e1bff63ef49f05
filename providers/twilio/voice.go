package twilio

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	rest "github.com/twilio/twilio-go/rest/api/v2010"

	"denwa/providers"
)

var (
	callSIDForm = regexp.MustCompile(`^CA[0-9a-f]{32}$`)
	// extensionForm leaves room for beforeExtension in the 32 that Twilio takes.
	extensionForm = regexp.MustCompile(`^[0-9]{1,28}$`)
)

// beforeExtension is the pause before an extension is dialled, half a second
// each: a switchboard's own greeting has to begin first.
const beforeExtension = "wwww"

// maxPace is the longest that a call waits for its turn. Somebody else may call
// sooner.
const maxPace = 3 * time.Second

// PlaceCall creates one Call resource, once, as [Provider.SendMessage] does.
// What is said then is asked for by callback. The phone rings no longer than
// the call makes sense.
func (p *Provider) PlaceCall(ctx context.Context, c providers.Call) (providers.Acceptance, error) {
	if c.Extension != "" && !extensionForm.MatchString(c.Extension) {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Invalid, Err: errors.New("the extension is not at most 28 digits")}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if failure := p.turn(ctx); failure != nil {
		return providers.Acceptance{}, failure
	}

	query := "?delivery=" + url.QueryEscape(c.Delivery) + retryOverride
	params := &rest.CreateCallParams{}
	params.SetTo(c.To).SetFrom(p.voice.From).SetTimeout(seconds(min(p.voice.RingTimeout, c.ValidFor), minRing, maxRing))
	params.SetUrl(p.callbacks + "/call" + query).SetStatusCallback(p.callbacks + "/call/status" + query)
	params.SetStatusCallbackEvent([]string{"initiated", "ringing", "answered", "completed"})
	switch {
	case c.Extension != "":
		params.SetSendDigits(beforeExtension + c.Extension)
	case p.voice.MachineDetection:
		params.SetMachineDetection("Enable")
	}

	reply, err := p.api(ctx).CreateCall(params)
	if err != nil {
		return providers.Acceptance{}, notCreated(err)
	}
	if reply.Sid == nil || !callSIDForm.MatchString(*reply.Sid) || reply.Status == nil {
		return providers.Acceptance{}, unreadable()
	}
	switch *reply.Status {
	case "failed", "canceled", "busy", "no-answer":
		return providers.Acceptance{}, failedAtOnce(0)
	}
	return providers.Acceptance{Reference: *reply.Sid}, nil
}

// turn waits until the account may place a call. It leaves at least half of
// ctx's time to the request: one that is cut off may have been read.
func (p *Provider) turn(ctx context.Context) *providers.Error {
	now := time.Now()
	longest := maxPace
	if end, ok := ctx.Deadline(); ok {
		longest = min(longest, end.Sub(now)/2)
	}
	turn := p.pace.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	if delay > longest {
		turn.CancelAt(now)
		return &providers.Error{Kind: providers.Throttled, RetryAfter: delay, Err: errors.New("calls_per_second leaves no time for this call")}
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.Cancel()
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("not asked: %w", context.Cause(ctx))}
	}
}

// seconds is d in whole seconds, rounded up, within least and most.
func seconds(d, least, most time.Duration) int {
	d = min(max(d, least), most)
	return int((d + time.Second - 1) / time.Second)
}

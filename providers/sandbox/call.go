package sandbox

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"denwa/providers"
)

var keysForm = regexp.MustCompile(`^[0-9*#]{1,32}$`)

// call is one on a phone. What the screen shows of it is guarded by [Phones];
// only its [line] changes it.
type call struct {
	screen
	phone *phone
	acts  chan act      // to the line
	over  chan struct{} // closed when the call has ended
	gone  chan struct{} // closed when its phone no longer has it
}

// screen is what a phone shows of a call.
type screen struct {
	ID       string `json:"id"`
	Delivery string `json:"delivery"`
	// Extension is what the carrier dials after the answer.
	Extension string           `json:"extension,omitempty"`
	Status    providers.Status `json:"status"`
	// Said is what was heard so far, prompt by prompt.
	Said []string `json:"said"`
	// Listening is whether keys are awaited.
	Listening bool      `json:"listening"`
	At        time.Time `json:"at"`
}

// act is what a person does with a call.
type act struct {
	kind actKind
	keys string // to press
	// heard is how many prompts had begun by then.
	heard int
	done  chan *refusal
}

type actKind uint8

const (
	answer actKind = iota + 1
	press
	hangUp
)

// refusal says why a call can't be treated like that.
type refusal struct{ code, detail string }

var (
	refusedEnded     = &refusal{"call_ended", "the call has ended"}
	refusedRinging   = &refusal{"not_ringing", "the call isn't ringing, or was answered already"}
	refusedListening = &refusal{"not_listening", "nobody listens for keys now"}
	refusedDecided   = &refusal{"decided", "the phone's behaviour decides what becomes of this call"}
)

// parsePress reads the keys to press.
func parsePress(body []byte) (keys string, bad *badField) {
	fields, ok := parseObject(body)
	if !ok {
		return "", &badField{detail: "the body must be a JSON object with digits"}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "digits" {
			return "", &badField{name, name + " is unknown; the only field is digits"}
		}
	}
	if json.Unmarshal(fields["digits"], &keys) != nil || !keysForm.MatchString(keys) {
		return "", &badField{"digits", "digits must be 1 to 32 of 0-9, * and #"}
	}
	return keys, nil
}

// parseNothing reads a body that says nothing, {} or none.
func parseNothing(body []byte) (keys string, bad *badField) {
	if len(body) == 0 {
		return "", nil
	}
	if fields, ok := parseObject(body); !ok || len(fields) > 0 {
		return "", &badField{detail: "the body must be empty or {}"}
	}
	return "", nil
}

// nextCall is how the next call to number fares. It holds once.
func (p *Phones) nextCall(number string) Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	ph := p.use(number)
	b := ph.next
	ph.next = b.afterCall()
	p.touch(ph)
	return b
}

// place shows a call that doesn't ring yet.
func (p *Phones) place(c providers.Call) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	ph := p.use(c.To)
	p.last++
	placed := &call{
		phone: ph,
		screen: screen{
			ID: "call-" + strconv.Itoa(p.last), Delivery: c.Delivery, Extension: c.Extension,
			Status: providers.Accepted, Said: []string{}, At: time.Now().UTC().Truncate(time.Millisecond),
		},
		acts: make(chan act), over: make(chan struct{}), gone: make(chan struct{}),
	}
	if len(ph.calls) == maxCalls {
		p.drop(ph.calls[0])
		ph.calls = slices.Delete(ph.calls, 0, 1)
	}
	ph.calls = append(ph.calls, placed)
	p.callIDs[placed.ID] = placed
	p.touch(ph)
	return placed
}

// drop ends a call that no phone shows any more.
func (p *Phones) drop(c *call) {
	delete(p.callIDs, c.ID)
	close(c.gone)
}

// show changes what is shown of a call.
func (p *Phones) show(c *call, change func(*screen)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&c.screen)
	p.touch(c.phone)
}

// calls are those of a phone, oldest first.
func (p *Phones) calls(number string) []screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.see(number).Calls
}

// do has a person do something with a call, and returns when it is done: what
// the call says then, and the gateway's verdict, are known. It fails if there
// is no such call.
func (p *Phones) do(ctx context.Context, id string, a act) (refused *refusal, ok bool) {
	p.mu.Lock()
	c, ok := p.callIDs[id]
	if ok {
		a.heard = len(c.Said)
	}
	p.mu.Unlock()
	if !ok {
		return nil, false
	}
	a.done = make(chan *refusal, 1)
	select {
	case c.acts <- a:
		return <-a.done, true
	case <-c.over:
		return refusedEnded, true
	case <-ctx.Done():
		return refusedListening, true // and nobody hears of it
	}
}

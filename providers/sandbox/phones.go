package sandbox

import (
	"container/list"
	"strconv"
	"sync"
	"time"

	"denwa/providers"
)

const (
	// maxPhones is how many phones are kept. The one that was unused longest goes first.
	maxPhones = 1000
	// maxMessages is how many messages a phone keeps. The oldest goes first.
	maxMessages = 100
	// maxCalls is how many calls a phone keeps. The oldest goes first, and ends
	// if it hasn't.
	maxCalls = 50
)

// Phones are the phones on the screen, by number. They are kept in memory and
// safe for concurrent use. A number that nobody used is a phone too, on which
// nothing arrived yet.
type Phones struct {
	mu      sync.Mutex
	numbers map[string]*list.Element // of *phone
	used    *list.List               // the phone used last is in front
	ids     map[string]*message
	callIDs map[string]*call
	// carriers are the names of the sandbox carriers to these phones; others, whether
	// there are carriers to real phones too.
	carriers []string
	others   bool
	last     int // id given
	version  int // counts changes
	// changed is closed by the next change; nil while nobody waits for one.
	changed chan struct{}
	// over is closed by Close.
	over chan struct{}
}

type phone struct {
	number   string
	messages []*message // oldest first
	calls    []*call    // oldest first
	next     Behaviour
	version  int // of the latest change
}

// message is one that arrived, or would have.
type message struct {
	ID       string           `json:"id"`
	Delivery string           `json:"delivery"`
	Text     string           `json:"text"`
	At       time.Time        `json:"at"`
	Status   providers.Status `json:"status"`

	phone *phone
}

// NewPhones returns phones on which nothing arrived yet.
func NewPhones() *Phones {
	return &Phones{
		numbers: map[string]*list.Element{}, used: list.New(),
		ids: map[string]*message{}, callIDs: map[string]*call{},
		over: make(chan struct{}),
	}
}

// Close ends the streams of what happens on the phones. Call it when the
// server begins to shut down, which waits for them otherwise, and once only.
func (p *Phones) Close() error {
	close(p.over)
	return nil
}

// BesideOthers notes that the gateway has carriers to real phones as well, for whoever
// asks before sending many messages.
func (p *Phones) BesideOthers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others = true
}

// join adds a sandbox carrier.
func (p *Phones) join(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.carriers = append(p.carriers, name)
}

// use returns the phone with number, which becomes the one used last.
func (p *Phones) use(number string) *phone {
	if e, ok := p.numbers[number]; ok {
		p.used.MoveToFront(e)
		return phoneOf(e)
	}
	if p.used.Len() == maxPhones {
		p.remove(p.used.Back())
	}
	ph := &phone{number: number, next: usual()}
	p.numbers[number] = p.used.PushFront(ph)
	return ph
}

// look returns the phone with number if there is one.
func (p *Phones) look(number string) (*phone, bool) {
	e, ok := p.numbers[number]
	if !ok {
		return nil, false
	}
	return phoneOf(e), true
}

func phoneOf(e *list.Element) *phone {
	ph, _ := e.Value.(*phone) // the list holds nothing else
	return ph
}

// remove forgets a phone. Its calls end.
func (p *Phones) remove(e *list.Element) {
	ph := phoneOf(e)
	for _, m := range ph.messages {
		delete(p.ids, m.ID)
	}
	for _, c := range ph.calls {
		p.drop(c)
	}
	delete(p.numbers, ph.number)
	p.used.Remove(e)
	p.touch(ph)
}

// touch notes that ph changed, and wakes who follows.
func (p *Phones) touch(ph *phone) {
	p.version++
	ph.version = p.version
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// nextMessage is how the next message to number fares. It holds once.
func (p *Phones) nextMessage(number string) Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	ph := p.use(number)
	b := ph.next
	ph.next = b.afterMessage()
	p.touch(ph)
	return b
}

// arrive shows a message.
func (p *Phones) arrive(msg providers.Message) (id string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ph := p.use(msg.To)
	p.last++
	m := &message{
		ID: "sms-" + strconv.Itoa(p.last), Delivery: msg.Delivery, Text: msg.Text,
		At: time.Now().UTC().Truncate(time.Millisecond), Status: providers.Accepted,
		phone: ph,
	}
	if len(ph.messages) == maxMessages {
		delete(p.ids, ph.messages[0].ID)
		ph.messages[0] = nil
		ph.messages = ph.messages[1:]
	}
	ph.messages = append(ph.messages, m)
	p.ids[m.ID] = m
	p.touch(ph)
	return m.ID, m.At
}

// setStatus shows what was reported of a message, if it is still kept.
func (p *Phones) setStatus(id string, s providers.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m, ok := p.ids[id]; ok {
		m.Status = s
		p.touch(m.phone)
	}
}

// messages are those of a phone, oldest first.
func (p *Phones) messages(number string) []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.see(number).Messages
}

// behaviour is what the phone does next.
func (p *Phones) behaviour(number string) Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.see(number).Behaviour
}

// behave sets what the phone does next.
func (p *Phones) behave(number string, b Behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ph := p.use(number)
	ph.next = b
	p.touch(ph)
}

// forget makes the phone as new.
func (p *Phones) forget(number string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.numbers[number]; ok {
		p.remove(e)
	}
}

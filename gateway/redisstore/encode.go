package redisstore

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit"
)

// encodeRules renders rules as lib.lua's rules() reads them.
func encodeRules(r gateway.Rules) string {
	b := make([]byte, 0, 128)
	for _, g := range [...]ratelimit.GCRA{r.Cooldown, r.Hour, r.Day, r.FailedChecks} {
		b = strconv.AppendInt(b, g.Interval.Microseconds(), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(g.Burst), 10)
		b = append(b, ' ')
	}
	b = strconv.AppendInt(b, int64(r.Lock.After), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, r.Lock.Base.Microseconds(), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, r.Lock.Max.Microseconds(), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, r.Block.Microseconds(), 10)
	return string(b)
}

// encodeFollowUp renders what follows a delivery as lib.lua's follow_after reads it.
func encodeFollowUp(f providers.FollowUp) string {
	if f.Then == "" {
		return ""
	}
	return strconv.FormatInt(f.Within.Microseconds(), 10) + " " + string(f.Then)
}

// flag is how a script is told yes or no.
func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

// encodeMeta packs what only Go reads. No part but the last holds a "|".
func encodeMeta(r gateway.Record) string {
	meta := strings.Join([]string{string(r.Mode), r.Country, r.NumberType, r.Locale, r.Purpose, r.Origin, r.AppHash}, "|")
	if r.Brand != "" {
		meta += "|" + r.Brand
	}
	return meta
}

func decodeMeta(text string, r *gateway.Record) {
	mode, rest, _ := strings.Cut(text, "|")
	r.Mode = gateway.Mode(mode)
	for _, field := range [...]*string{&r.Country, &r.NumberType, &r.Locale, &r.Purpose, &r.Origin, &r.AppHash} {
		*field, rest, _ = strings.Cut(rest, "|")
	}
	r.Brand = rest
}

// decodeChange reads what lib.lua's reply() wrote.
func decodeChange(text string, id gateway.ID) (c gateway.Change, err error) {
	p := parser{rest: text}
	switch c.Refusal.Reason = gateway.RefusalReason(p.line()); c.Refusal.Reason {
	case gateway.RefusedNotFound:
		if p.rest == "" {
			return c, nil
		}
	case gateway.RefusedLimit, gateway.RefusedBlocked:
		if strings.Count(p.rest, "\n") == 2 { // nothing was created
			c.Refusal.Limit, c.Refusal.Wait = ratelimit.Name(p.line()), p.duration()
			return c, p.err
		}
	case gateway.RefusedNotPending, gateway.RefusedSends, gateway.RefusedCalling, gateway.RefusedNotDue, "":
	}
	c.Effect = gateway.Effect(p.line())
	c.Refusal.Limit, c.Refusal.Wait = ratelimit.Name(p.line()), p.duration()
	c.Now = p.time()
	c.Number = p.numberState()
	c.Number.BlockedUntil = p.time()
	r := &c.Record
	r.ID, r.App = id, p.line()
	r.Status, r.Channel = gateway.Status(p.line()), gateway.Channel(p.line())
	r.Attempts, r.Sends, r.UpdatedAt, r.CreatedAt = p.int(), p.int(), p.time(), p.time()
	p.fixed(r)
	decodeMeta(p.line(), r)
	n := p.int()
	if p.err != nil || n < 0 || n > len(p.rest) {
		return c, fmt.Errorf("unreadable reply: %w", p.err)
	}
	r.Deliveries = make([]gateway.Delivery, n)
	for i := range r.Deliveries {
		r.Deliveries[i] = p.delivery()
	}
	p.sealed(r)
	if p.err != nil {
		return c, fmt.Errorf("unreadable reply: %w", p.err)
	}
	return c, nil
}

// decodeSwept reads one line of sweep.lua's answer.
func decodeSwept(line string, to *gateway.Swept) {
	name, rest, expired := strings.Cut(line, " ")
	if !expired {
		to.MovingOn = append(to.MovingOn, gateway.IDFromName(name))
		return
	}
	app, rest, _ := strings.Cut(rest, " ")
	channel, rest, _ := strings.Cut(rest, " ")
	provider, meta, _ := strings.Cut(rest, " ")
	var r gateway.Record
	decodeMeta(meta, &r)
	to.Expired = append(to.Expired, gateway.Due{
		ID: gateway.IDFromName(name), App: app, Provider: provider, Channel: gateway.Channel(channel), Country: r.Country,
	})
}

// parser takes lines off a text, and remembers the first that it can't read.
type parser struct {
	rest string
	err  error
}

func (p *parser) line() (line string) {
	line, p.rest, _ = strings.Cut(p.rest, "\n")
	return line
}

func (p *parser) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && p.err == nil {
		p.err = err
	}
	return n
}

func (p *parser) int() int { return int(p.number(p.line())) }

func (p *parser) duration() time.Duration {
	return time.Duration(p.number(p.line())) * time.Microsecond
}

func (p *parser) time() time.Time { return p.micros(p.line()) }

// micros is the zero time for 0, as for what was never set.
func (p *parser) micros(text string) time.Time {
	n := p.number(text)
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// word takes one word off a line.
func word(line *string) (w string) {
	w, *line, _ = strings.Cut(*line, " ")
	return w
}

// numberState reads a number's value; an empty line is a number never seen.
func (p *parser) numberState() (n gateway.NumberState) {
	line := p.line()
	if line == "" {
		return n
	}
	sms, voice := p.micros(word(&line)), p.micros(word(&line))
	n.Cooldown = map[gateway.Channel]time.Time{gateway.SMS: sms, gateway.Voice: voice}
	n.Hour, n.Day, n.FailedChecks = p.micros(word(&line)), p.micros(word(&line)), p.micros(word(&line))
	n.Failures = int(p.number(word(&line)))
	n.LockedUntil = p.micros(word(&line))
	return n
}

// fixed reads fields f and g of lib.lua: what is set once, and what follows the
// latest delivery.
func (p *parser) fixed(r *gateway.Record) {
	line := p.line()
	word(&line) // the number's name, of no use outside
	r.MaxAttempts, r.MaxSends = int(p.number(word(&line))), int(p.number(word(&line)))
	r.ExpiresAt = p.micros(word(&line))
	word(&line) // whether its app wants to hear of events
	if line != "" {
		r.FollowUp.At, r.FollowUp.Then = p.micros(word(&line)), providers.Then(word(&line))
	}
}

// sealed reads the end of a reply: the length of the first sealed value, that of
// the second if there is a third, and their bytes.
func (p *parser) sealed(r *gateway.Record) {
	first, second, three := strings.Cut(p.line(), " ")
	to, reference := int(p.number(first)), len(p.rest)
	if p.err == nil && to <= len(p.rest) {
		reference -= to
	}
	if three {
		reference = int(p.number(second))
	}
	if p.err != nil || to < 0 || reference < 0 || to+reference > len(p.rest) {
		p.err = cmp.Or(p.err, errSealed)
		return
	}
	r.SealedTo = []byte(p.rest[:to])
	if reference > 0 {
		r.SealedReference = []byte(p.rest[to : to+reference])
	}
	if content := p.rest[to+reference:]; content != "" {
		r.SealedContent = []byte(content)
	}
}

var errSealed = errors.New("its sealed values are cut off")

// delivery reads provider|channel|segments|at|status|updated.
func (p *parser) delivery() (d gateway.Delivery) {
	rest := p.line()
	field := func() (text string) {
		text, rest, _ = strings.Cut(rest, "|")
		return text
	}
	d.Provider, d.Channel = field(), gateway.Channel(field())
	d.Segments = int(p.number(field()))
	d.At = p.micros(field())
	d.Status = providers.Status(field())
	d.UpdatedAt = p.micros(field())
	return d
}

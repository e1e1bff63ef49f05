package main

import (
	"fmt"
	"io"
	"time"

	"denwa/gateway"
	"denwa/gateway/phone"
	"denwa/ratelimit"
)

// shownNumber is what an operator sees of a number.
type shownNumber struct {
	ToMasked string      `json:"to_masked"`
	Country  string      `json:"country"`
	Type     phone.Type  `json:"type"`
	Blocked  *shownBlock `json:"blocked,omitempty"`
	Holder   shownClass  `json:"holder"`
	Stranger shownClass  `json:"stranger"`
}

// shownBlock is a block; without By it is that of the number's holder.
type shownBlock struct {
	Until      time.Time  `json:"until"`
	At         *time.Time `json:"at,omitempty"`
	By         string     `json:"by,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Unreadable bool       `json:"unreadable,omitempty"`
}

// shownClass is what is left to one class of parties.
type shownClass struct {
	Limits      []shownLimit `json:"limits"`
	Failures    int          `json:"failures"`
	LockedUntil *time.Time   `json:"locked_until,omitempty"`
}

type shownLimit struct {
	Name       ratelimit.Name  `json:"name"`
	Channel    gateway.Channel `json:"channel,omitempty"`
	Left       int             `json:"left"`
	RetryAfter float64         `json:"retry_after,omitempty"` // seconds
}

func showNumber(n phone.Number, r gateway.NumberReport) shownNumber {
	shown := shownNumber{
		ToMasked: n.Masked, Country: n.Country, Type: n.Type,
		Holder: showClass(r.Holder), Stranger: showClass(r.Stranger),
	}
	if !r.BlockedUntil.IsZero() {
		shown.Blocked = &shownBlock{Until: r.BlockedUntil}
		if b := r.Block; b != nil {
			shown.Blocked.At, shown.Blocked.By, shown.Blocked.Reason = moment(b.At), b.By, b.Reason
			shown.Blocked.Unreadable = b.Unreadable != nil
		}
	}
	return shown
}

func showClass(a gateway.Allowance) shownClass {
	shown := shownClass{Limits: []shownLimit{}, Failures: a.Failures, LockedUntil: moment(a.LockedUntil)}
	for _, l := range a.Limits {
		shown.Limits = append(shown.Limits, shownLimit{l.Name, l.Channel, l.Left, l.RetryAfter.Seconds()})
	}
	return shown
}

func (n shownNumber) print(w io.Writer) {
	fmt.Fprintln(w, n.ToMasked)
	line := lines(w)
	line("country", n.Country)
	line("type", string(n.Type))
	switch b := n.Blocked; {
	case b == nil:
		line("blocked", "no")
	case b.By == "":
		line("blocked", "until "+stamp(b.Until)+", by its holder")
	default:
		line("blocked", fmt.Sprintf("until %s, by %s at %s", stamp(b.Until), b.By, stamp(*b.At)))
		reason := b.Reason
		if b.Unreadable {
			reason = "unreadable: its master key is gone"
		}
		line("reason", reason)
	}
	n.Holder.print(w, "left to those who proved to hold it")
	n.Stranger.print(w, "left to all others")
}

func (c shownClass) print(w io.Writer, heading string) {
	fmt.Fprintf(w, "  %s\n", heading)
	line := func(name, value string) { fmt.Fprintf(w, "    %-21s %s\n", name, value) }
	for _, l := range c.Limits {
		name := string(l.Name)
		if l.Channel != "" {
			name += " " + string(l.Channel)
		}
		value := fmt.Sprint(l.Left)
		if l.RetryAfter > 0 {
			wait := time.Duration(l.RetryAfter * float64(time.Second))
			value += ", the next in " + (wait + time.Second - 1).Truncate(time.Second).String()
		}
		line(name, value)
	}
	if c.Failures > 0 {
		line("wrong codes in a row", fmt.Sprint(c.Failures))
	}
	if c.LockedUntil != nil {
		line("locked until", stamp(*c.LockedUntil))
	}
}

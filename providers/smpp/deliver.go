package smpp

import (
	"context"
	"strconv"
	"time"

	"denwa/providers"
)

const (
	// receiptsAtOnce is how many receipts are handled at once; the centre is told to repeat more later.
	receiptsAtOnce = 256
	// patientAtOnce is how many of them may wait for an id to become known.
	patientAtOnce = 64
	// idWait is for how long: a receipt can overtake the answer to its message, on another connection or instance.
	idWait = time.Second
	// receiveTime bounds how long a receipt may take.
	receiveTime = 10 * time.Second
)

// request takes what the centre asks for. It doesn't wait: answers to messages
// come on the same connection.
func (p *Provider) request(ctx context.Context, l *link, q pdu, malformed bool) {
	m, ok := q.body.(*message)
	switch {
	case q.command != deliverSM:
		p.log.DebugContext(ctx, "the message centre asks for what is not known", "command", uint32(q.command))
		l.tell(pdu{command: genericNack, status: statusInvalidID, sequence: q.sequence})
	case malformed || !ok: // repeating it won't help
		p.metrics.receipts.WithLabelValues(p.cfg.Name, receiptUnread).Inc()
		l.tell(delivered(q, statusNever))
	case !isReceipt(m): // a person wrote to the source; nobody reads it
		l.tell(delivered(q, statusOK))
	default:
		select {
		case p.receipts <- struct{}{}:
		default:
			p.metrics.receipts.WithLabelValues(p.cfg.Name, receiptPostponed).Inc()
			l.tell(delivered(q, statusTryLater))
			return
		}
		p.work.Go(func() {
			defer func() { <-p.receipts }()
			outcome := p.take(ctx, m)
			p.metrics.receipts.WithLabelValues(p.cfg.Name, outcome).Inc()
			answer := statusOK
			if outcome == receiptPostponed {
				answer = statusTryLater
			}
			l.tell(delivered(q, answer))
		})
	}
}

// delivered answers deliver_sm.
func delivered(q pdu, s status) pdu {
	return pdu{command: deliverSM.answer(), status: s, sequence: q.sequence, body: &taken{}}
}

// take hands a receipt on, and returns what became of it.
func (p *Provider) take(ctx context.Context, m *message) (outcome string) {
	ctx, cancel := context.WithTimeout(ctx, receiveTime)
	defer cancel()
	r, ok := readReceipt(m)
	if !ok {
		p.complains.Do(func() { p.log.WarnContext(ctx, "a receipt names no message") })
		return receiptUnread
	}
	if r.status == providers.Accepted {
		return receiptNoNews
	}
	what, err := p.recall(ctx, r.id)
	if err == nil && what == "" {
		return receiptUnknown
	}
	var part deliveryPart
	if err == nil {
		part, err = parseDeliveryPart(what)
	}
	all := true
	if err == nil && r.status == providers.Delivered && part.of > 1 {
		var n int
		n, err = p.ids.Collect(ctx, part.name, strconv.Itoa(part.n), p.cfg.ReceiptsWithin)
		all = n == part.of
	}
	if err == nil && !all {
		return receiptNoNews // until the last part is there
	}
	if err == nil {
		err = p.receive(ctx, p.cfg.Name, providers.Receipt{Delivery: part.name, Status: r.status, Code: r.code})
	}
	if err != nil {
		p.log.WarnContext(ctx, "receipt not taken, the message centre will repeat it", "error", err)
		return receiptPostponed
	}
	return receiptTaken
}

// recall returns what the id in a receipt stands for, "" for nothing. Where
// that isn't known, it may be soon.
func (p *Provider) recall(ctx context.Context, id string) (string, error) {
	all := lookups(id, p.cfg.ReceiptIDs)
	ids := make([]string, len(all))
	for i, l := range all {
		ids[i] = l.id
	}
	for again := false; ; again = true {
		found, err := p.ids.Recall(ctx, ids...)
		if err != nil {
			return "", err
		}
		which, sure := choose(all, found, idForm(p.form.Load()))
		if which >= 0 {
			if sure {
				p.form.Store(uint32(all[which].form))
			}
			return found[which], nil
		}
		if again || !p.waits(ctx) {
			return "", nil
		}
	}
}

// waits lets an id become known, and reports whether to look again. If
// many wait already, they are another system's: nobody waits then.
func (p *Provider) waits(ctx context.Context) bool {
	select {
	case p.patience <- struct{}{}:
	default:
		return false
	}
	defer func() { <-p.patience }()
	return pause(ctx, idWait)
}

package sandbox

import (
	"fmt"
	"testing"

	"denwa/providers"
)

func TestPhonesAreBounded(t *testing.T) {
	p := NewPhones()
	nth := func(i int) string { return fmt.Sprintf("+8190%08d", i) }
	for i := range maxPhones {
		p.arrive(providers.Message{To: nth(i), Text: "hi"})
	}
	p.behave(nth(0), Behaviour{SMS: providers.Failed}) // used again, so number 1 is the one unused longest
	p.arrive(providers.Message{To: nth(maxPhones), Text: "hi"})
	for i, want := range map[int]int{0: 1, 1: 0, 2: 1, maxPhones: 1} {
		if got := len(p.messages(nth(i))); got != want {
			t.Errorf("phone %d keeps %d messages, want %d", i, got, want)
		}
	}
	// Looking makes no phone.
	p.messages("+12025550123")
	p.behaviour("+12025550123")
	p.forget("+12025550123")
	if len(p.numbers) != maxPhones || p.used.Len() != maxPhones || len(p.ids) != maxPhones {
		t.Errorf("%d phones, %d in order, %d messages", len(p.numbers), p.used.Len(), len(p.ids))
	}
}

func TestMessagesAreBounded(t *testing.T) {
	p := NewPhones()
	for i := range 3 * maxMessages {
		p.arrive(providers.Message{Delivery: fmt.Sprintf("d%d", i), To: number})
	}
	got := p.messages(number)
	if len(got) != maxMessages || got[0].Delivery != "d200" || got[maxMessages-1].Delivery != "d299" {
		t.Errorf("%d messages, from %s to %s", len(got), got[0].Delivery, got[len(got)-1].Delivery)
	}
	if len(p.ids) != maxMessages {
		t.Errorf("%d messages are found by id", len(p.ids))
	}
	p.setStatus("sms-1", providers.Delivered) // is gone
	p.setStatus(got[0].ID, providers.Delivered)
	if got := p.messages(number)[0].Status; got != providers.Delivered {
		t.Errorf("status %s", got)
	}
	p.forget(number)
	if len(p.ids)+len(p.numbers)+p.used.Len() != 0 {
		t.Error("not forgotten")
	}
}

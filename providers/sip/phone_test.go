package sip

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/sip/siptest"
)

// Each outcome that a person brings about, with a real phone, over each transport.
func TestPhone(t *testing.T) {
	t.Parallel()
	keyed := ivr.Script{Mode: ivr.ModeKeyed, Locale: "en", Digits: 6}
	for _, c := range []struct {
		name      string
		phone     siptest.PhoneOptions
		transport Transport
		script    ivr.Script
		keys      []string // a second and a half between any two
		asked     []string
		outcome   providers.Status
		prompts   []string
	}{
		{
			name: "hash confirms", script: confirm, keys: []string{"#"}, asked: []string{"#"},
			outcome: providers.Confirmed, prompts: []string{"ja/approved"},
		},
		{
			name: "hash confirms by tcp", transport: TCP, script: confirm, keys: []string{"#"}, asked: []string{"#"},
			outcome: providers.Confirmed, prompts: []string{"ja/approved"},
		},
		{
			name: "hash confirms by tls", transport: TLS, script: confirm, keys: []string{"#"}, asked: []string{"#"},
			outcome: providers.Confirmed, prompts: []string{"ja/approved"},
		},
		{
			name: "hash confirms by info", phone: siptest.PhoneOptions{Info: true}, script: confirm, keys: []string{"#"}, asked: []string{"#"},
			outcome: providers.Confirmed,
		},
		{
			name: "zero hash denies in A-law", phone: siptest.PhoneOptions{Codec: "PCMA"}, script: confirm, keys: []string{"0#"}, asked: []string{"0#"},
			outcome: providers.Denied, prompts: []string{"ja/denied"},
		},
		{
			name: "wrong keys", script: confirm, keys: []string{"5", "8", "*"},
			outcome: providers.WrongInput, prompts: []string{"ja/wrong_key", "ja/goodbye"},
		},
		{
			name: "six digits", script: keyed, keys: []string{"000000#", "123456#"}, asked: []string{"000000", "123456"},
			outcome: providers.Confirmed, prompts: []string{"en/wrong_digits", "en/approved"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cert, ca := siptest.Certificate(t)
			c.phone.Certificate = cert
			phone := siptest.StartPhone(t, c.phone)
			server := phone.Addr()
			if c.transport == TLS {
				server = phone.AddrTLS()
			}
			w := newWorld(t, server, func(cfg *Config) {
				if c.transport != "" {
					cfg.Transport = c.transport
				}
				cfg.TLS.CAFile = ca
			})
			w.verdicts["123456"] = ivr.Approved
			w.mustPlace(c.script)
			phone.AwaitSound() // the greeting
			for i, keys := range c.keys {
				phone.Press(keys)
				time.Sleep(1500 * time.Millisecond)
				// A key cuts off what is said, which begins late on a loaded machine.
				for limit := time.Now().Add(5 * time.Second); i+1 < len(c.keys) && time.Now().Before(limit) && !heard(t, phone.Heard(), c.prompts[0]); {
					time.Sleep(100 * time.Millisecond)
				}
			}
			w.await(c.outcome)
			phone.Await("CALL_CLOSED")
			w.over(providers.Answered, c.outcome)
			if !slices.Equal(w.asked, c.asked) {
				t.Errorf("asked %q, want %q", w.asked, c.asked)
			}
			sound := phone.Heard()
			for _, prompt := range c.prompts {
				if !heard(t, sound, prompt) {
					t.Errorf("the phone didn't hear %s in %v", prompt, time.Duration(len(sound))*time.Second/8000)
				}
			}
		})
	}
}

// What a phone hears of a whole call without a key is the prompts: all of
// them, in order, and as loud.
func TestPhoneHearsCode(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{})
	w := newWorld(t, phone.Addr(), nil)
	w.mustPlace(ivr.Script{Mode: ivr.ModeCode, Locale: "ja", Code: "04"})
	w.over(providers.Answered, providers.Delivered)
	phone.Await("CALL_CLOSED")
	sound := phone.Heard()
	for _, prompt := range []string{"greeting", "your_code", "digit_0", "digit_4", "code_again", "goodbye"} {
		if !heard(t, sound, "ja/"+prompt) {
			t.Errorf("the phone didn't hear %s", prompt)
		}
	}
	if sound := len(sound) / 8000; sound < 20 || sound > 60 {
		t.Errorf("it heard %d seconds", sound)
	}
}

// An extension is dialled before anything is said, in keys that a real phone
// understands.
func TestPhoneHearsExtension(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{})
	w := newWorld(t, phone.Addr(), nil)
	if _, err := w.PlaceCall(t.Context(), providers.Call{
		Delivery: delivery, To: siptest.Number, Extension: "1224*#", Script: confirm, ValidFor: time.Minute,
	}); err != nil {
		t.Fatal(err)
	}
	phone.AwaitSound()
	if keys := phone.Keys(); keys != "1224*#" {
		t.Errorf("the phone heard the keys %q", keys)
	}
	phone.Press("#")
	w.over(providers.Answered, providers.Confirmed)
}

func TestPhoneHangsUp(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{})
	w := newWorld(t, phone.Addr(), nil)
	w.mustPlace(confirm)
	w.await(providers.Answered)
	time.Sleep(500 * time.Millisecond)
	phone.HangUp()
	w.over(providers.Answered, providers.HungUp)
}

func TestPhoneDeclines(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{Manual: true})
	w := newWorld(t, phone.Addr(), nil)
	w.mustPlace(confirm)
	w.await(providers.Ringing)
	phone.HangUp()
	w.over(providers.Busy) // that is what baresip says
}

// The phone stops ringing when nobody picks up in time, and when the gateway stops.
func TestPhoneRings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		stop func(w *world)
		want providers.Status
	}{
		{"for the ring timeout", func(*world) {}, providers.NoAnswer},
		{"until the gateway stops", func(w *world) { w.Close() }, providers.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone := siptest.StartPhone(t, siptest.PhoneOptions{Manual: true})
			w := newWorld(t, phone.Addr(), func(cfg *Config) { cfg.RingTimeout = 2 * time.Second })
			w.mustPlace(confirm)
			w.await(providers.Ringing)
			c.stop(w)
			phone.Await("CALL_CLOSED")
			w.over(c.want)
		})
	}
}

// A call survives hold, longer than it may be silent. (baresip records no more
// after it, so what is said then is tested in sipcall.)
func TestPhoneHolds(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{})
	w := newWorld(t, phone.Addr(), func(cfg *Config) { cfg.Media.Timeout = time.Second })
	w.mustPlace(confirm)
	phone.AwaitSound()
	phone.Hold()
	time.Sleep(3 * time.Second)
	phone.Resume()
	time.Sleep(time.Second)
	phone.Press("#")
	w.over(providers.Answered, providers.Confirmed)
}

// Stopping lets an answered call come to its end.
func TestCloseWaitsForAnsweredCall(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{})
	w := newWorld(t, phone.Addr(), nil)
	w.mustPlace(confirm)
	phone.AwaitSound()
	closed := make(chan struct{})
	go func() {
		w.Close()
		close(closed)
	}()
	time.Sleep(200 * time.Millisecond)
	if _, err := w.place(confirm); providers.KindOf(err) != providers.Unavailable {
		t.Errorf("a closed provider places calls: %v", err)
	}
	phone.Press("#")
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("Close doesn't return")
	}
	w.over(providers.Answered, providers.Confirmed)
}

// Draining lets a call come to its end that rings, however long that takes, and
// says how many are left when its time is over.
func TestDrain(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{Manual: true})
	w := newWorld(t, phone.Addr(), nil)
	w.mustPlace(confirm)
	w.await(providers.Ringing)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if left := w.Drain(over); left != 1 {
		t.Errorf("%d calls are left, and one rings", left)
	}
	if _, err := w.place(confirm); providers.KindOf(err) != providers.Unavailable {
		t.Errorf("a draining provider places calls: %v", err)
	}
	drained := make(chan int)
	go func() { drained <- w.Drain(context.WithoutCancel(t.Context())) }()
	phone.Answer()
	phone.AwaitSound()
	phone.Press("#")
	if left := <-drained; left != 0 {
		t.Errorf("%d calls are left", left)
	}
	w.Close()
	w.over(providers.Answered, providers.Confirmed)
}

// What isn't over when draining is, is hung up at once.
func TestCloseAfterDrain(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{})
	w := newWorld(t, phone.Addr(), nil)
	w.mustPlace(confirm)
	phone.AwaitSound()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if left := w.Drain(over); left != 1 {
		t.Errorf("%d calls are left, and one is answered", left)
	}
	w.Close()
	phone.Await("CALL_CLOSED")
	w.over(providers.Answered, providers.Failed)
}

// BenchmarkApproval is the time from the key on a real phone to the receipt
// that says confirmed.
func BenchmarkApproval(b *testing.B) {
	phone := siptest.StartPhone(b, siptest.PhoneOptions{})
	confirmed := make(chan time.Time, 1)
	p, err := New(testConfig(b, phone.Addr(), nil), func(_ context.Context, _ string, r providers.Receipt) error {
		if r.Status == providers.Confirmed {
			confirmed <- time.Now()
		}
		return nil
	}, approving{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	var took time.Duration
	for b.Loop() {
		if _, err := p.PlaceCall(b.Context(), providers.Call{Delivery: delivery, To: siptest.Number, Script: confirm, ValidFor: time.Minute}); err != nil {
			b.Fatal(err)
		}
		phone.AwaitSound() // it answers by itself
		begun := time.Now()
		phone.Press("#")
		select {
		case at := <-confirmed:
			took += at.Sub(begun)
		case <-time.After(time.Minute):
			b.Fatal("the key isn't heard")
		}
		awaitEnd(b, p)
		phone.Await("CALL_CLOSED")
		phone.Forget()
	}
	b.ReportMetric(1000*took.Seconds()/float64(b.N), "ms/approval")
}

package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

// told is what a [gateway.Conversion] was told.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (c *told) Sent(provider string, to providers.Destination) {
	c.add("%s sent %v", provider, to)
}

func (c *told) Converted(provider string, to providers.Destination, after time.Duration) {
	c.add("%s converted %v after %v", provider, to, after)
}

func (c *told) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

// TestConversion: a verification counts for the provider that was asked first,
// and as converted if that one message was enough.
func TestConversion(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		conversion := &told{}
		g.metrics.ObserveConversion(conversion)
		check := func(v *gateway.Verification, want bool) {
			t.Helper()
			valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), g.lastCode(v.To))
			if err != nil || valid != want {
				t.Errorf("%v, %v", valid, err)
			}
		}
		v := g.start("090-1234-0001")
		g.clock.pass(42 * time.Second)
		check(v, true)

		g.fail("first", "+819012340002", providers.Unavailable) // the second one brings it
		check(g.start("090-1234-0002"), true)

		v = g.start("090-1234-0003") // the person asked twice
		g.clock.pass(31 * time.Second)
		if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), ""); err != nil {
			t.Fatal(err)
		}
		check(v, true)

		v = g.start("090-1234-0004")
		if _, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), other(g.lastCode(v.To))); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: "090-1234-0005", Message: "hello"}); err != nil {
			t.Fatal(err)
		}
		const mobile = "{sms JP mobile portal}"
		want := []string{
			"first sent " + mobile, "first converted " + mobile + " after 42s",
			"first sent " + mobile, "first sent " + mobile, "first sent " + mobile,
		}
		if diff := cmp.Diff(want, conversion.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

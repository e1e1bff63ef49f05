package ratelimit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		decision Decision
		limit    Limit
		want     Header
	}{
		"hour": {
			Decision{Limit: NumberHour, RetryAfter: 30 * time.Second},
			fivePerHour,
			Header{`"number_hour";q=5;w=3600`, `"number_hour";r=0;t=30`, "30"},
		},
		"count, not burst, is the quota": {
			Decision{Limit: ClientAddress, RetryAfter: time.Minute},
			threeBurst,
			Header{`"client_address";q=60;w=3600`, `"client_address";r=0;t=60`, "60"},
		},
		"rounded up": {
			Decision{Limit: NumberCooldown, RetryAfter: 29*time.Second + time.Microsecond},
			onePer30s,
			Header{`"number_cooldown";q=1;w=30`, `"number_cooldown";r=0;t=30`, "30"},
		},
		"at least a second": {
			Decision{Limit: APIKey, RetryAfter: 2 * time.Millisecond},
			Limit{Burst: 500, Count: 500, Period: time.Second},
			Header{`"api_key";q=500;w=1`, `"api_key";r=0;t=1`, "1"},
		},
		"unknown wait": {
			Decision{Limit: App},
			Limit{Burst: 1000, Count: 6000, Period: time.Minute},
			Header{`"app";q=6000;w=60`, `"app";r=0;t=1`, "1"},
		},
		"part of a second": {
			Decision{Limit: APIKey, RetryAfter: time.Second},
			Limit{Burst: 7, Count: 7, Period: 700 * time.Millisecond},
			Header{`"api_key";q=10;w=1`, `"api_key";r=0;t=1`, "1"},
		},
		"a second and a half": {
			Decision{Limit: APIKey, RetryAfter: time.Second},
			Limit{Burst: 3, Count: 3, Period: 1500 * time.Millisecond},
			Header{`"api_key";q=4;w=2`, `"api_key";r=0;t=1`, "1"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.decision.Header(tt.limit)); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

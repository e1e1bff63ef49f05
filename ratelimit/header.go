package ratelimit

import (
	"strconv"
	"time"
)

// Header holds the values of the HTTP header fields that tell a caller of a
// limit, as in draft-ietf-httpapi-ratelimit-headers-11 and RFC 9110, 10.2.3.
type Header struct {
	// RateLimitPolicy is the limit itself: "number_hour";q=5;w=3600.
	RateLimitPolicy string
	// RateLimit is what is left of it: "number_hour";r=0;t=720.
	RateLimit string
	// RetryAfter is whole seconds, at least 1.
	RetryAfter string
}

// Header renders a refusal by limit l. Seconds are rounded up, so whoever waits
// that long isn't refused again for having come early; Retry-After is the same
// as t, because it should not end before that.
func (d Decision) Header(l Limit) Header {
	name := `"` + string(d.Limit) + `"`
	after := strconv.FormatInt(max(1, seconds(d.RetryAfter)), 10)
	quota, window := int64(l.Count), seconds(l.Period)
	if whole := time.Duration(window) * time.Second; whole != l.Period && l.Period > 0 {
		// The window has whole seconds only: 5 in 500ms are 10 in 1s.
		quota = int64(float64(quota) * float64(whole) / float64(l.Period))
	}
	return Header{
		RateLimitPolicy: name + ";q=" + strconv.FormatInt(quota, 10) + ";w=" + strconv.FormatInt(window, 10),
		RateLimit:       name + ";r=" + strconv.Itoa(d.Remaining) + ";t=" + after,
		RetryAfter:      after,
	}
}

// seconds rounds up.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

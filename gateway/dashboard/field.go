package dashboard

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"denwa/providers"
)

// kind is what a field counts.
type kind string

const (
	asked    kind = "a" // detail: accepted, or the kind of failure
	reported kind = "r" // detail: the status
	ended    kind = "v" // detail: the verification's status
	// Times, by bucket.
	askTime      kind = "s"
	deliveryTime kind = "d"
	approvalTime kind = "t"
)

// field names one count. Every part comes from a bounded set.
type field struct {
	kind     kind
	channel  providers.Channel
	provider string
	country  string
	detail   string
}

// String is the field in the store.
func (f field) String() string {
	return strings.Join([]string{string(f.kind), string(f.channel), f.provider, f.country, f.detail}, "|")
}

// parseField reads what String wrote. Another release may have written
// something else; that is left out.
func parseField(s string) (f field, ok bool) {
	p := strings.Split(s, "|")
	if len(p) != 5 {
		return field{}, false
	}
	return field{kind(p[0]), providers.Channel(p[1]), p[2], p[3], p[4]}, true
}

// arrival is the status with which a delivery has reached the phone: a message
// that the handset has, a call that was answered. A delivery gets it once at
// most.
func arrival(ch providers.Channel) providers.Status {
	if ch == providers.Voice {
		return providers.Answered
	}
	return providers.Delivered
}

// limits are the upper bounds of a kind's buckets in seconds, those of the
// Prometheus histogram that measures the same.
func limits(k kind) []float64 {
	switch k {
	case askTime: // denwa_send_duration_seconds
		return []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	case deliveryTime: // denwa_delivery_duration_seconds
		return []float64{0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300}
	case approvalTime: // denwa_verification_duration_seconds
		return []float64{2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600}
	default:
		return nil
	}
}

// bucketOf is the index of d's bucket. The last one has no upper bound.
func bucketOf(k kind, d time.Duration) string {
	return strconv.Itoa(sort.SearchFloat64s(limits(k), d.Seconds()))
}

// times are how many fell into each bucket of a kind.
type times struct {
	kind    kind
	buckets []int64
	n       int64
}

func newTimes(k kind) times { return times{kind: k, buckets: make([]int64, len(limits(k))+1)} }

func (t *times) add(bucket string, n int64) {
	if i, err := strconv.Atoi(bucket); err == nil && i >= 0 && i < len(t.buckets) {
		t.buckets[i] += n
		t.n += n
	}
}

// percentile is the time, in seconds, that a share of q (0 to 1) didn't
// exceed, as if times were spread evenly over a bucket. Over is whether it is
// beyond the last bound, which is returned then.
func (t *times) percentile(q float64) (seconds float64, over bool) {
	bounds := limits(t.kind)
	rank, below := q*float64(t.n), 0.0
	lower := 0.0
	for i, n := range t.buckets {
		if i == len(bounds) {
			return lower, true
		}
		if below+float64(n) >= rank && n > 0 {
			return lower + (bounds[i]-lower)*(rank-below)/float64(n), false
		}
		below += float64(n)
		lower = bounds[i]
	}
	return lower, true
}

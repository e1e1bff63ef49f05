package entra

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"denwa/providers"
)

const (
	// fetchInterval is how old keys may be before they are fetched again, in the
	// background. Microsoft calls every 24 hours reasonable; a key that was
	// withdrawn shouldn't count that long.
	fetchInterval = time.Hour
	// maxKeyAge is how old keys may be while they can't be fetched.
	maxKeyAge = 24 * time.Hour
	// unknownInterval is how often an unknown kid may cause a fetch: anybody can
	// make one up.
	unknownInterval = time.Minute
	// retryInterval is how soon a fetch that failed is tried again.
	retryInterval = 5 * time.Second
	// fetchTimeout bounds a fetch, fetchWait how long a request waits for it.
	fetchTimeout = 5 * time.Second
	fetchWait    = time.Second
	// maxKeySet bounds the answer, in bytes. Microsoft's has about 20,000.
	maxKeySet = 1 << 20
)

var (
	errNoSigners     = errors.New("the keys that sign tokens can't be had")
	errUnknownSigner = errors.New("signed with an unknown key")
)

// signers are the keys that sign one tenant's tokens, fetched when they are
// needed and kept. Safe for concurrent use.
type signers struct {
	url, tenant  string
	client       *http.Client
	now          func() time.Time
	log          *slog.Logger
	metrics      *metrics
	certificates *providers.Certificates

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time     // when keys were
	next    time.Time     // no fetch before
	flight  chan struct{} // closed when the fetch under way is over; nil if none is
}

// key returns the key called kid. It waits for a fetch only if it doesn't know
// kid. It fails with errUnknownSigner or errNoSigners.
func (s *signers) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	key, err := s.known(ctx, kid)
	if err == nil {
		return key, nil
	}
	flight := s.fetch(ctx)
	if flight == nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	select {
	case <-flight:
	case <-patience.Done():
	}
	return s.known(ctx, kid)
}

// known looks kid up among the keys that there are.
func (s *signers) known(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.now().Sub(s.fetched)
	if s.fetched.IsZero() || age >= maxKeyAge {
		return nil, errNoSigners
	}
	key, ok := s.keys[kid]
	if !ok {
		return nil, errUnknownSigner
	}
	if age >= fetchInterval {
		s.start(ctx)
	}
	return key, nil
}

// fetch starts a fetch, or joins the one under way. It returns nil if it is too
// soon for another.
func (s *signers) fetch(ctx context.Context) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start(ctx)
	return s.flight
}

// start starts a fetch unless one is under way or it is too soon. s.mu is held.
func (s *signers) start(ctx context.Context) {
	if s.flight != nil || s.now().Before(s.next) {
		return
	}
	flight := make(chan struct{})
	s.flight = flight
	// Whoever asked first may hang up; the others still want the keys.
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		keys, err := s.get(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		defer close(flight)
		s.flight = nil
		if err != nil {
			s.next = s.now().Add(retryInterval)
			s.metrics.fetches.WithLabelValues(fetchFailed).Inc()
			s.log.LogAttrs(ctx, slog.LevelWarn, "can't fetch the keys that sign entra tokens",
				slog.String("url", s.url), slog.Bool("have_keys", !s.fetched.IsZero()), slog.Any("error", err))
			return
		}
		s.keys, s.fetched, s.next = keys, s.now(), s.now().Add(unknownInterval)
		s.metrics.fetches.WithLabelValues(fetchOK).Inc()
	}()
}

// age is when the keys were fetched, the zero time if never.
func (s *signers) age() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched
}

// get asks for the key set.
func (s *signers) get(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.TLS != nil {
		s.certificates.Seen(*resp.TLS)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("more than %d bytes", maxKeySet)
	}
	return parseKeySet(body, s.tenant)
}

// parseKeySet reads a JWK Set (RFC 7517). It passes over what can't sign this
// tenant's tokens: Microsoft's set also has keys of other issuers, which count
// for those alone. Source:
// https://learn.microsoft.com/entra/identity-platform/access-tokens, "Validate
// the signing key issuer".
func parseKeySet(body []byte, tenant string) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("not a JWK Set")
	}
	keys := map[string]*rsa.PublicKey{}
	for _, raw := range set.Keys {
		var of struct {
			Issuer string `json:"issuer"`
		}
		var jwk jose.JSONWebKey
		if json.Unmarshal(raw, &of) != nil || jwk.UnmarshalJSON(raw) != nil {
			continue
		}
		issuer := strings.ToLower(of.Issuer)
		if issuer != "" && !strings.Contains(issuer, "{tenantid}") && !strings.Contains(issuer, "/"+tenant) {
			continue
		}
		key, ok := jwk.Key.(*rsa.PublicKey)
		if ok && jwk.KeyID != "" && (jwk.Use == "" || jwk.Use == "sig") && key.N.BitLen() >= 2048 {
			keys[jwk.KeyID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it signs this tenant's tokens")
	}
	return keys, nil
}

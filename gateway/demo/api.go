package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	apiTimeout = 10 * time.Second
	// maxReply bounds what is read of a reply.
	maxReply = 64 << 10
)

// api is Denwa's native API v1, as far as the portal needs it.
type api struct {
	base   string
	key    string
	client *http.Client
}

func newAPI(base, key string) *api {
	return &api{base: strings.TrimRight(base, "/"), key: key, client: &http.Client{
		Timeout:       apiTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// sessionRequest asks for a hosted page.
type sessionRequest struct {
	To        string   `json:"to,omitempty"`
	ReturnURL string   `json:"return_url"`
	Channels  []string `json:"channels,omitempty"`
}

// session is a hosted page for one person. Its status is pending, approved,
// canceled or expired; the URL is there while it is pending.
type session struct {
	ID           string `json:"id"`
	URL          string `json:"url"`
	Status       string `json:"status"`
	Verification *struct {
		ToMasked string `json:"to_masked"`
	} `json:"verification"`
}

// masked is the number that was proved, as the API shows it.
func (s session) masked() string {
	if s.Verification == nil {
		return ""
	}
	return s.Verification.ToMasked
}

// refusal is a problem that the API answered with (RFC 9457).
type refusal struct {
	Code  string `json:"code"`
	Field string `json:"field"`
}

func (r *refusal) Error() string { return "refused: " + r.Code }

// aboutNumber reports whether the number that was typed is what is wrong.
func (r *refusal) aboutNumber() bool {
	switch r.Code {
	case "invalid_number", "number_not_allowed", "country_not_allowed":
		return true
	}
	return r.Field == "to"
}

// start asks for a hosted page. The same key is the same page.
func (a *api) start(ctx context.Context, idempotencyKey string, ask sessionRequest) (session, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return session{}, fmt.Errorf("start session: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/v1/sessions", bytes.NewReader(body))
	if err != nil {
		return session{}, fmt.Errorf("start session: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", idempotencyKey)
	s, err := a.do(r)
	if err == nil && (s.ID == "" || s.URL == "") {
		err = errors.New("the reply has no id or no url")
	}
	if err != nil {
		return session{}, fmt.Errorf("start session: %w", err)
	}
	return s, nil
}

// look asks how a hosted page went.
func (a *api) look(ctx context.Context, id string) (session, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/v1/sessions/"+url.PathEscape(id), nil)
	if err != nil {
		return session{}, fmt.Errorf("look at session: %w", err)
	}
	s, err := a.do(r)
	if err != nil {
		return session{}, fmt.Errorf("look at session: %w", err)
	}
	return s, nil
}

// do fails with a [*refusal] when the API answered with a problem.
func (a *api) do(r *http.Request) (s session, err error) {
	r.Header.Set("Authorization", "Bearer "+a.key)
	reply, err := a.client.Do(r)
	if err != nil {
		return s, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxReply))
	if err != nil {
		return s, err
	}
	if reply.StatusCode/100 != 2 {
		var refused refusal
		if json.Unmarshal(body, &refused) != nil || refused.Code == "" {
			return s, fmt.Errorf("status %d", reply.StatusCode)
		}
		return s, &refused
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, errors.New("the reply is unreadable")
	}
	return s, nil
}

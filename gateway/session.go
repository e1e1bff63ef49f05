package gateway

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"denwa/gateway/phone"
)

// Session is a visit to the gateway's pages that an app asked for: one person,
// one browser, until a number is verified. The person may start several
// verifications on the way, of which the latest counts.
type Session struct {
	ID  SessionID
	App string
	// Status is pending, approved, canceled (the person gave up) or expired.
	Status Status
	// URL is where to send the browser; empty when the session is over.
	URL string
	SessionRequest
	CreatedAt time.Time
	ExpiresAt time.Time
	// Verification is the latest; nil if there is none, or it is no longer kept.
	Verification *Verification
}

// SessionRequest is what an app asks for. All but ReturnURL may be empty.
type SessionRequest struct {
	// ReturnURL is where the browser goes in the end, with the session's id added
	// as the parameter "session". The app allows it, see [Pages.Allows].
	ReturnURL string
	// Channels are those to offer, of the app's; empty offers all.
	Channels []Channel
	// To is a number to begin with, as a person types it, with the region and
	// extension that [StartRequest] has.
	To, Country, Extension string
	// Locale is the language of the pages and messages. Without it the browser decides.
	Locale  string
	Purpose string
	// Reference is the app's own word for its user or request.
	Reference string
	// Mode is that of calls.
	Mode Mode
	// Seed makes the same session again, see [Idempotency]; nil for a new one.
	Seed []byte `json:"-"`
}

// Sessions are the visits to the gateway's pages. It is safe for concurrent use.
//
// Its methods fail with an [*Error] where the caller should see why, and those
// for a browser with [ErrSessionOver], [ErrSessionTaken] or [ErrSessionStale] as well.
type Sessions struct {
	service *Service
	store   SessionStore
	keys    *Keyring
	base    *url.URL
	log     *slog.Logger
}

// SessionsPath is where the pages are, below the public URL.
const SessionsPath = "/verify/"

// NewSessions returns the sessions of service. publicURL is how browsers reach
// the gateway, without a trailing slash.
func NewSessions(service *Service, store SessionStore, keys *Keyring, publicURL string, log *slog.Logger) (*Sessions, error) {
	base, err := url.Parse(publicURL)
	if err != nil || base.Host == "" {
		return nil, errors.New("the pages need the public URL: set server.public_url")
	}
	base = base.JoinPath(SessionsPath)
	base.Path = "/" + strings.TrimPrefix(base.Path, "/") // a cookie needs it whole
	return &Sessions{service: service, store: store, keys: keys, base: base, log: log}, nil
}

// Base is the URL of the pages, with a trailing slash.
func (s *Sessions) Base() *url.URL { return s.base }

// App is the app called name, or nil.
func (s *Sessions) App(name string) *AppPolicy { return s.service.Policy().App(name) }

// sealedRequest is what is kept of a request.
type sealedRequest struct {
	SessionRequest
	Secret string
}

// Create makes a session of app.
func (s *Sessions) Create(ctx context.Context, app *AppPolicy, r SessionRequest) (*Session, error) {
	p := s.service.Policy()
	if err := p.checkSession(app, r); err != nil {
		return nil, err
	}
	id := NewSessionID(r.Seed)
	plain, err := json.Marshal(sealedRequest{r, newSecret()}) //nolint:gosec // G117: it is sealed.
	if err != nil {
		return nil, err
	}
	record, err := s.store.CreateSession(ctx, SessionRecord{
		ID: id, App: app.Name, SealedRequest: s.keys.Seal("session", string(id), plain),
	}, cmp.Or(app.Pages.ExpiresIn, defaultPagesLife), app.defaults.Retention)
	if err != nil {
		return nil, unavailable(err)
	}
	session, _, err := s.read(ctx, app, record)
	return session, err
}

// checkSession checks a request against the policy.
func (p *Policy) checkSession(app *AppPolicy, r SessionRequest) error {
	switch {
	case r.ReturnURL == "":
		return invalid("return_url", "return_url is required: where the browser goes in the end")
	case !app.Pages.Allows(r.ReturnURL):
		return invalid("return_url", "return_url isn't one of the app's pages.return_urls")
	case len(r.Reference) > maxReference:
		return invalid("reference", "reference has at most %d bytes", maxReference)
	case r.Purpose != "" && !slices.Contains(app.Purposes, r.Purpose):
		return invalid("purpose", "purpose isn't one that this app is configured for")
	}
	for i, ch := range r.Channels {
		if ch != SMS && ch != Voice || slices.Contains(r.Channels[:i], ch) {
			return invalid("channels", "channels must hold sms, voice or both")
		}
	}
	if _, err := modeFor(Voice, r.Mode); err != nil {
		return err
	}
	if r.Locale != "" {
		if _, ok := app.messages.Match(r.Locale); !ok {
			return invalid("locale", "locale must be one of %s", strings.Join(app.messages.Locales(), ", "))
		}
	}
	if r.To == "" {
		if r.Country != "" && !phone.IsRegion(strings.ToUpper(r.Country)) {
			return invalid("country", "country must be an ISO 3166-1 alpha-2 code, such as JP")
		}
		return nil
	}
	_, err := p.number(app, r.To, r.Country, r.Extension)
	return err
}

// number reads a number that may be verified.
func (p *Policy) number(app *AppPolicy, to, country, extension string) (phone.Number, error) {
	n, err := app.parse(to, country, extension)
	if err != nil {
		return n, err
	}
	if refused := app.admits(n); refused != nil {
		return n, refused
	}
	return n, nil
}

// Get reads a session of app, with its verification.
func (s *Sessions) Get(ctx context.Context, app *AppPolicy, id string) (*Session, error) {
	record, err := s.load(ctx, SessionID(id))
	if err != nil {
		return nil, err
	}
	if record.App != app.Name {
		return nil, sessionNotFound()
	}
	session, _, err := s.read(ctx, app, record)
	return session, err
}

func (s *Sessions) load(ctx context.Context, id SessionID) (r SessionRecord, err error) {
	if !id.Valid() {
		return r, sessionNotFound()
	}
	r, ok, err := s.store.LoadSession(ctx, id)
	if err != nil {
		return r, unavailable(err)
	}
	if !ok {
		return r, sessionNotFound()
	}
	return r, nil
}

func sessionNotFound() *Error {
	return &Error{Code: CodeNotFound, Message: "there is no such session, or it is no longer kept"}
}

// read is r as its app sees it, and the secret of its link.
func (s *Sessions) read(ctx context.Context, app *AppPolicy, r SessionRecord) (*Session, string, error) {
	plain, err := s.keys.Unseal("session", string(r.ID), r.SealedRequest)
	if err != nil {
		return nil, "", err
	}
	var asked sealedRequest
	if err := json.Unmarshal(plain, &asked); err != nil {
		return nil, "", errors.New("read sealed session: not a session")
	}
	session := &Session{
		ID: r.ID, App: r.App, Status: r.Status, SessionRequest: asked.SessionRequest,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt,
	}
	if r.Verification != "" {
		v, err := s.service.Get(ctx, app, string(r.Verification))
		if err != nil && CodeOf(err) != CodeNotFound {
			return nil, "", err
		}
		session.Verification = v
	}
	if session.Status == Pending {
		switch v := session.Verification; {
		case v != nil && v.Status == Approved:
			session.Status = Approved
			// Verifications are kept for less long than a session may be.
			if err := s.store.FinishSession(ctx, r.ID, Approved); err != nil {
				return nil, "", unavailable(err)
			}
		case !r.Now.Before(r.ExpiresAt):
			session.Status = Expired
		default:
			session.URL = s.base.JoinPath(string(r.ID), asked.Secret).String()
		}
	}
	return session, asked.Secret, nil
}

// BackURL is where the browser goes in the end.
func (s *Session) BackURL() string {
	u, err := url.Parse(s.ReturnURL)
	if err != nil { // Create has parsed it
		return ""
	}
	added := "session=" + url.QueryEscape(string(s.ID))
	if u.RawQuery != "" {
		added = "&" + added
	}
	u.RawQuery += added
	return u.String()
}

// opens reports, in constant time, whether typed is the secret of a link.
func opens(secret, typed string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(typed)) == 1
}

// DefaultCountry is the region of numbers without a country code, where an app
// doesn't say otherwise.
func (s *Sessions) DefaultCountry() string { return s.service.Policy().Defaults.Country }

package httpapi

import (
	"context"
	"net/http"

	"denwa/gateway"
)

// Sessions are visits to the gateway's pages; [gateway.Sessions] are.
type Sessions interface {
	Create(ctx context.Context, app *gateway.AppPolicy, r gateway.SessionRequest) (*gateway.Session, error)
	// Get reads one, with its latest verification.
	Get(ctx context.Context, app *gateway.AppPolicy, id string) (*gateway.Session, error)
}

// sessionBody is the body of a request for a session.
type sessionBody struct {
	ReturnURL string            `json:"return_url"`
	Channels  []gateway.Channel `json:"channels"`
	To        string            `json:"to"`
	Country   string            `json:"country"`
	Extension string            `json:"extension"`
	Locale    string            `json:"locale"`
	Purpose   string            `json:"purpose"`
	Reference string            `json:"reference"`
	Mode      string            `json:"mode"`
}

var sessionSchema = schemaOf[sessionBody]()

// session is a [gateway.Session] as callers see it.
type session struct {
	ID           gateway.SessionID `json:"id"`
	Status       gateway.Status    `json:"status"`
	URL          string            `json:"url,omitempty"`
	ReturnURL    string            `json:"return_url"`
	CreatedAt    string            `json:"created_at"`
	ExpiresAt    string            `json:"expires_at"`
	Purpose      string            `json:"purpose,omitempty"`
	Reference    string            `json:"reference,omitempty"`
	Verification *verification     `json:"verification,omitempty"`
}

func sessionOf(s *gateway.Session) *session {
	w := &session{
		ID: s.ID, Status: s.Status, URL: s.URL, ReturnURL: s.ReturnURL,
		CreatedAt: timestamp(s.CreatedAt), ExpiresAt: timestamp(s.ExpiresAt),
		Purpose: s.Purpose, Reference: s.Reference,
	}
	if s.Verification != nil {
		w.Verification = verificationOf(s.Verification)
	}
	return w
}

func (s *Server) createSession(ctx context.Context, c *call) (int, any, error) {
	var in sessionBody
	if err := c.decode(&in, sessionSchema); err != nil {
		return 0, nil, err
	}
	made, err := s.o.Sessions.Create(ctx, c.app, gateway.SessionRequest{
		ReturnURL: in.ReturnURL, Channels: in.Channels, To: in.To, Country: in.Country, Extension: in.Extension,
		Locale: in.Locale, Purpose: in.Purpose, Reference: in.Reference, Mode: gateway.Mode(in.Mode), Seed: c.seed,
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, sessionOf(made), nil
}

func (s *Server) showSession(ctx context.Context, c *call) (int, any, error) {
	if c.Request().URL.RawQuery != "" {
		return 0, nil, refuse("", "this call takes no query parameters")
	}
	found, err := s.o.Sessions.Get(ctx, c.app, c.Param("id"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, sessionOf(found), nil
}

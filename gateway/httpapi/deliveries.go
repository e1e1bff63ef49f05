package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"denwa/gateway"
)

// deliverBody is the body of a request for a delivery.
type deliverBody struct {
	To        string `json:"to"`
	Country   string `json:"country"`
	Extension string `json:"extension"`
	Channel   string `json:"channel"`
	Message   string `json:"message"`
	Locale    string `json:"locale"`
	ClientIP  string `json:"client_ip"`
	Reference string `json:"reference"`
	ValidFor  *int64 `json:"valid_for"` // seconds
}

var deliverSchema = schemaOf[deliverBody]()

// dispatch is a [gateway.Dispatch] as callers see it.
type dispatch struct {
	ID         gateway.ID      `json:"id"`
	Status     string          `json:"status"`
	Channel    gateway.Channel `json:"channel"`
	To         string          `json:"to"`
	ToMasked   string          `json:"to_masked"`
	Extension  string          `json:"extension,omitempty"`
	Country    string          `json:"country"`
	NumberType string          `json:"number_type"`
	Locale     string          `json:"locale"`
	CreatedAt  string          `json:"created_at"`
	ExpiresAt  string          `json:"expires_at"`
	Reference  string          `json:"reference,omitempty"`
	Attempts   []delivery      `json:"attempts"`
}

func dispatchOf(d *gateway.Dispatch) *dispatch {
	return &dispatch{
		ID: d.ID, Status: string(d.Status), Channel: d.Channel,
		To: d.To, ToMasked: d.ToMasked, Extension: d.Extension,
		Country: d.Country, NumberType: d.NumberType, Locale: d.Locale,
		CreatedAt: timestamp(d.CreatedAt), ExpiresAt: timestamp(d.ExpiresAt),
		Reference: d.Reference, Attempts: deliveriesOf(d.Attempts),
	}
}

func (s *Server) deliver(ctx context.Context, c *call) (int, any, error) {
	var in deliverBody
	if err := c.decode(&in, deliverSchema); err != nil {
		return 0, nil, err
	}
	r := gateway.DispatchRequest{
		To: in.To, Country: in.Country, Extension: in.Extension,
		Channel: gateway.Channel(in.Channel), Message: in.Message, Locale: in.Locale,
		ClientIP: in.ClientIP, Reference: in.Reference, Seed: c.seed,
	}
	if in.ValidFor != nil {
		if *in.ValidFor < 1 || *in.ValidFor > int64(gateway.MaxValidFor/time.Second) {
			return 0, nil, refuse("valid_for", "valid_for must be 1 to %d seconds", int64(gateway.MaxValidFor/time.Second))
		}
		r.ValidFor = time.Duration(*in.ValidFor) * time.Second
	}
	d, err := s.o.Dispatcher.Dispatch(ctx, c.app, r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, dispatchOf(d), nil
}

func (s *Server) showDelivery(ctx context.Context, c *call) (int, any, error) {
	wait, err := waitOf(c.Request().URL.RawQuery)
	if err != nil {
		return 0, nil, err
	}
	if wait > 0 {
		c.route += "?wait"
	}
	known := knownOf(c.Request().Header)
	waiting, stop := s.patience(ctx)
	defer stop()
	d, err := s.o.Dispatcher.Dispatched(waiting, c.app, c.Param("id"), known, wait)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		d, err = s.o.Dispatcher.Dispatched(ctx, c.app, c.Param("id"), known, 0)
	}
	if err != nil {
		return 0, nil, err
	}
	return fresh(c, d.UpdatedAt, known, dispatchOf(d))
}

package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/aws"
	aggregator "denwa/providers/http"
	"denwa/providers/sandbox"
	"denwa/providers/sip"
	"denwa/providers/smpp"
	"denwa/providers/twilio"
)

// switchboard is the service, which doesn't exist yet when its providers are made.
type switchboard struct{ a *app }

func (s switchboard) Script(ctx context.Context, delivery string) (ivr.Script, error) {
	return s.a.service.Script(ctx, delivery)
}

func (s switchboard) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	return s.a.service.Press(ctx, provider, delivery, keys)
}

// carriers are the configured providers and what they bring along.
type carriers struct {
	list      []providers.Provider
	bounds    map[string]providers.Bounds
	callbacks map[string]http.Handler
	mounts    map[string]http.Handler
}

// providers makes every configured provider. A new type is one more case.
func (a *app) providers(store *redisstore.Store, keys *gateway.Keyring, reg prometheus.Registerer) (carriers, error) {
	// The service is made of its providers, so they get to know it by way of a.
	receive := a.traced(func(ctx context.Context, provider string, r providers.Receipt) error {
		return a.service.Receipt(ctx, provider, r)
	})
	made := carriers{bounds: map[string]providers.Bounds{}, callbacks: map[string]http.Handler{}, mounts: map[string]http.Handler{}}
	centres := smpp.NewMetrics(reg)
	phones := sandbox.NewPhones() // one set, however many carriers deliver to it
	a.drains = append(a.drains, phones.Close)
	for _, c := range a.config.Providers {
		if _, is := c.Settings.(sandbox.Config); !is {
			phones.BesideOthers()
		}
		var p providers.Provider
		var err error
		switch settings := c.Settings.(type) {
		case sandbox.Config:
			made.mounts["/sandbox/"] = phones.Handler()
			p, err = sandbox.New(settings, phones, receive, switchboard{a}, a.log)
		case twilio.Config:
			p, err = twilio.New(settings, a.config.Server.PublicURL, receive, switchboard{a}, a.log)
		case smpp.Config:
			p, err = smpp.New(settings, store.CarrierIDs(keys, settings.Name), receive, centres, a.log)
		case aggregator.Config:
			p, err = aggregator.New(settings, a.config.Server.PublicURL, store.CarrierIDs(keys, c.Name), receive, a.log)
		case aws.Config:
			p, err = aws.New(settings, receive, a.log)
		case sip.Config:
			p, err = sip.New(settings, receive, switchboard{a}, a.log)
		default:
			err = fmt.Errorf("no such type %q", c.Type)
		}
		if err != nil {
			return carriers{}, fmt.Errorf("set up provider %q: %w", c.Name, err)
		}
		a.defers(p.Close)
		made.list = append(made.list, p)
		if speaks, ok := p.(providers.Certified); ok {
			a.ages.certificates.Add(partProvider, c.Name, speaks.Certificates())
		}
		made.bounds[c.Name] = providers.Bounds{Rate: c.Rate, Concurrency: c.Concurrency, Breaker: c.Breaker}
		if d, ok := p.(providers.Drainer); ok {
			a.drainers = append(a.drainers, d)
		}
		if called, ok := p.(providers.Callbacks); ok {
			made.callbacks[c.Name] = called.Callbacks()
		}
	}
	return made, nil
}

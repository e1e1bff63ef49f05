package http

import (
	"context"
	"errors"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// carrier is whom errors speak of.
const carrier = "the aggregator"

// exchange makes one request, and returns the reply whatever its status. The
// body of a reply outside 2xx may be cut short: its status says enough.
func (p *Provider) exchange(ctx context.Context, v values) (reply, *providers.Error) {
	var attempt carrierhttp.Attempt
	req, err := p.request.build(attempt.Context(ctx), v)
	if err != nil {
		return reply{}, &providers.Error{Kind: providers.Unavailable, Err: errors.New("the request can't be built")}
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return reply{}, attempt.Unanswered(ctx, carrier, err)
	}
	defer resp.Body.Close()
	raw, err := carrierhttp.ReadBody(resp.Body)
	if err != nil && statusMeaning(resp.StatusCode) == MeansAccepted {
		return reply{}, attempt.Unanswered(ctx, carrier, err)
	}
	return reply{resp.StatusCode, resp.Header, readBody(raw)}, nil
}

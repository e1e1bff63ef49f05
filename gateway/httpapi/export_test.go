package httpapi

import (
	"context"
	"net/http"
)

// HTTPStatus is the status that a code is answered with.
var HTTPStatus = httpStatus

// Routes lists the operations that s serves, as "GET /v1/docs".
func Routes(s *Server) []string {
	var out []string
	for _, r := range s.api() {
		out = append(out, r.method+" "+r.path)
	}
	return out
}

// Untraced begins the span of a request as a server without a tracer does.
func Untraced(ctx context.Context, r *http.Request) context.Context {
	return (&Server{}).traced(ctx, &call{}, r)
}

package httpapi

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

package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// route is one operation of the API, described in openapi.yaml.
type route struct {
	method  string
	path    string // as in OpenAPI
	success int
	handle  echo.HandlerFunc
}

func (s *Server) api() []route {
	const (
		GET, POST = http.MethodGet, http.MethodPost
		one       = "/v1/verifications/{id}"
	)
	docs := newDocs()
	return []route{
		{POST, "/v1/verifications", http.StatusCreated, s.post(s.start)},
		{GET, one, http.StatusOK, s.get(s.show)},
		{GET, one + "/events", http.StatusOK, s.events},
		{POST, one + "/check", http.StatusOK, s.post(s.check)},
		{POST, one + "/resend", http.StatusOK, s.post(s.resend)},
		{POST, one + "/cancel", http.StatusOK, s.post(s.cancel)},
		{POST, "/v1/deliveries", http.StatusCreated, s.post(s.deliver)},
		{GET, "/v1/deliveries/{id}", http.StatusOK, s.get(s.showDelivery)},
		{POST, "/v1/sessions", http.StatusCreated, s.post(s.createSession)},
		{GET, "/v1/sessions/{id}", http.StatusOK, s.get(s.showSession)},
		{POST, "/v1/numbers/lookup", http.StatusOK, s.post(s.lookup)},
		{GET, "/v1/openapi.yaml", http.StatusOK, docs.specification},
		{GET, "/v1/docs", http.StatusOK, docs.page},
		{GET, "/v1/docs/style.css", http.StatusOK, docs.style},
	}
}

// echoPath writes a path's parameters as echo does: {id} is :id.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// mountedBody is how large the body of a mounted handler may be at least: login
// services send the whole user, or an envelope that is encrypted.
const mountedBody = 64 << 10

// mount serves everything under a path with a handler that isn't of this
// package. The handler decides who may call it.
func (s *Server) mount(e *echo.Echo, path, route string, h http.Handler) {
	s.routes[path] = route
	e.Any(path, func(c echo.Context) error {
		r, w := c.Request(), c.Response()
		r.Body = http.MaxBytesReader(w, r.Body, max(s.o.Config.MaxBody, mountedBody))
		h.ServeHTTP(w, r)
		return nil
	})
}

// trusted returns how a request's address is found: X-Forwarded-For is read
// from its end, as far as the proxies in it are ours.
func trusted(proxies []string) (echo.IPExtractor, error) {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect(), nil
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, s := range proxies {
		p, err := parsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %w", err)
		}
		options = append(options, echo.TrustIPRange(ipNet(p)))
	}
	return echo.ExtractIPFromXFFHeader(options...), nil
}

// ipNet is a prefix in the form that echo takes.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

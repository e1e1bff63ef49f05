package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Tracing is where traces go, by OTLP over HTTP. Without an endpoint there are
// none. What stands here comes before the OTEL_ variables of the OpenTelemetry
// SDK; those that it leaves open hold, such as OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_CERTIFICATE and OTEL_BSP_MAX_QUEUE_SIZE.
type Tracing struct {
	// Address of the collector, such as http://127.0.0.1:4318; /v1/traces is added to it. Empty for no traces.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// Headers that the collector asks for.
	Headers []TracingHeader `yaml:"headers"`
	// Share of requests whose trace is recorded, from 0 to 1. A caller with an API key that records its own trace has its requests recorded always.
	Sample float64 `yaml:"sample"`
}

// TracingHeader is one header of what is sent to the collector.
type TracingHeader struct {
	// Name of the header, such as Authorization.
	Name string `yaml:"name"`
	// Value of the header.
	Value string `yaml:"value" secret:"true"`
}

// DefaultTracing is what holds where the operator says nothing.
func DefaultTracing() Tracing { return Tracing{Sample: 1} }

var (
	headerName  = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+$") // a token of RFC 9110, 5.6.2
	headerValue = regexp.MustCompile(`^[!-~]([\t -~]*[!-~])?$`)
)

// Enabled reports whether there are traces.
func (t Tracing) Enabled() bool { return t.OTLPEndpoint != "" }

// URL is where traces are sent to.
func (t Tracing) URL() string {
	const path = "/v1/traces"
	return strings.TrimSuffix(strings.TrimRight(t.OTLPEndpoint, "/"), path) + path
}

// Validate reports every mistake in t.
func (t Tracing) Validate(report func(field, problem string)) {
	if u, err := url.Parse(t.OTLPEndpoint); t.Enabled() {
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			report("otlp_endpoint", "must be a URL, such as http://127.0.0.1:4318")
		case u.User != nil:
			report("otlp_endpoint", "must hold no password; put it into headers")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			report("otlp_endpoint", "must have no query and no fragment")
		}
	}
	for i, h := range t.Headers {
		if !headerName.MatchString(h.Name) {
			report(fmt.Sprintf("headers[%d].name", i), "must be the name of a header, such as Authorization")
		}
		if !headerValue.MatchString(h.Value) {
			report(fmt.Sprintf("headers[%d].value", i), "must be visible ASCII characters, and not empty")
		}
	}
	if !(t.Sample >= 0 && t.Sample <= 1) {
		report("sample", "must be from 0 to 1")
	}
}

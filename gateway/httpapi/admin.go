package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin bounds a readiness check, well under a load balancer's patience.
const readyWithin = 2 * time.Second

// readiness is the body of /readyz.
type readiness struct {
	Status  string            `json:"status"`            // ready or unready
	Failing map[string]string `json:"failing,omitempty"` // what isn't, and why
}

// adminHandler serves what operators and their machines look at.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelError),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	for pattern, h := range s.o.AdminMounts {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// readyz runs the checks, but for those that ?exclude= names: what fails on all
// instances alike is no reason to send traffic elsewhere.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	failing := s.failing(r.Context(), r.URL.Query()["exclude"])
	if len(failing) > 0 {
		writeJSON(w, http.StatusServiceUnavailable, readiness{Status: "unready", Failing: failing})
		return
	}
	writeJSON(w, http.StatusOK, readiness{Status: "ready"})
}

// failing runs every readiness check at once, but for those that are left out, and
// returns those that fail.
func (s *Server) failing(ctx context.Context, exclude []string) map[string]string {
	if s.draining.Err() != nil {
		return map[string]string{"server": "shutting down"}
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		failing = make(map[string]string)
	)
	for name, check := range s.o.Ready {
		if slices.Contains(exclude, name) {
			continue
		}
		wg.Go(func() {
			if err := check(ctx); err != nil {
				mu.Lock()
				failing[name] = err.Error()
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failing
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone.
}

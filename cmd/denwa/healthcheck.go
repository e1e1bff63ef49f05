package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

const defaultAdminListen = "127.0.0.1:8081"

func newHealthcheckCommand() *cobra.Command {
	var (
		address string
		exclude []string
		timeout time.Duration
	)
	c := &cobra.Command{
		Use:   "healthcheck [--url URL] [--exclude CHECK]…",
		Short: "Ask a gateway whether it is ready",
		Long: `Asks the admin listener whether the gateway is ready: its store answers, each
channel has a provider that isn't left alone for its failures, and it isn't
about to stop. Exits 0 if it is, 1 if not.

Without --url it asks DENWA_ADMIN_LISTEN, else ` + defaultAdminListen + `, so that a
container image can use it as its health check as it is.`,
		Example: `  denwa healthcheck
  denwa healthcheck --exclude providers                   # which fail for all instances alike
  denwa healthcheck --url http://127.0.0.1:8081/healthz   # only: does it run?`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if address == "" {
				address = readyURL(os.Getenv("DENWA_ADMIN_LISTEN"))
			}
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return errUsage(c, errors.New("--url takes a URL such as http://"+defaultAdminListen+"/readyz"))
			}
			if len(exclude) > 0 {
				query := u.Query()
				query["exclude"] = append(query["exclude"], exclude...)
				u.RawQuery = query.Encode()
			}
			if timeout <= 0 {
				return errUsage(c, errors.New("--timeout takes more than 0, such as 3s"))
			}
			ctx, cancel := context.WithTimeoutCause(c.Context(), timeout, fmt.Errorf("no answer within %s", timeout))
			defer cancel()
			if err := checkHealth(ctx, u.String()); err != nil {
				return withExit(exitNo, err)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "ready")
			return err
		},
	}
	c.Flags().StringVar(&address, "url", "", "what to ask (default http://"+defaultAdminListen+"/readyz)")
	c.Flags().StringSliceVar(&exclude, "exclude", nil, "check to leave out: store, providers")
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait")
	return c
}

// readyURL is where a gateway with this admin.listen can be asked from the
// same host: an address that listens everywhere is asked on loopback.
func readyURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + defaultAdminListen + "/readyz"
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz"
}

// checkHealth returns nil if address answers 200.
func checkHealth(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := new(http.Client).Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %s: %w", address, networkCause(ctx, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	// The status says enough where the body doesn't say more.
	var body struct {
		Failing map[string]string `json:"failing"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&body)
	text := fmt.Sprintf("not ready: %s answered %s", address, resp.Status)
	for _, name := range slices.Sorted(maps.Keys(body.Failing)) {
		text += "; " + name + ": " + body.Failing[name]
	}
	return errors.New(text)
}

// networkCause is the part of an HTTP client's error that a person needs: not
// the method, not the URL again, not the socket's addresses.
func networkCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var op *net.OpError
	if errors.As(err, &op) {
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

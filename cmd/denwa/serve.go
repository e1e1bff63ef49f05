package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"denwa/config"
	"denwa/gateway/httpapi"
)

func newServeCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Runs the gateway until it gets SIGTERM or SIGINT (Ctrl-C). It then finishes the
requests in flight and ends with exit code 0.

Without a configuration file it runs a playground: a store inside the process, a
phone on the screen instead of a carrier, and an app named demo with a fixed
key. It listens on loopback only and keeps nothing.

SIGHUP reads the configuration again and takes over apps, keys, limits, fraud
rules and messages. A configuration with mistakes is refused, and the old one
stays.`,
		Example: `  denwa serve                         # the playground
  denwa serve --config denwa.yaml
  kill -HUP "$(pidof denwa)"          # after changing denwa.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" && c.Flags().Changed("config") { // of a variable that isn't set, say: no playground was meant
				return errUsage(c, errors.New("--config is empty; leave it out for the playground"))
			}
			return serve(c.Context(), path, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&path, "config", os.Getenv(config.Variable), "configuration file")
	return c
}

// serve runs the gateway with the configuration at path, or the playground.
func serve(ctx context.Context, path string, out, logs io.Writer) error {
	load := func() (*config.Config, error) {
		if path != "" {
			return config.Load(path, os.Environ())
		}
		c, err := config.Playground(os.Environ())
		if err == nil {
			letDemoReturn(c)
		}
		return c, err
	}
	c, err := load()
	if err != nil {
		return err
	}
	playground := path == ""
	log := slog.New(httpapi.LogHandler(c.Log.Handler(logs)))

	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	a, err := start(ctx, c, log)
	if err != nil {
		return err
	}
	if playground {
		fmt.Fprint(out, playgroundBanner(a.public.Addr(), a.admin.Addr()))
	}
	log.InfoContext(ctx, "listening", "public", a.public.Addr().String(), "admin", a.admin.Addr().String(),
		"store", string(c.Store.Type), "version", readBuild().Version)

	//nolint:contextcheck // it ends when the gateway has stopped, not when it begins to.
	a.background(func(ctx context.Context) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
			}
			next, err := load()
			if err == nil && playground {
				next.Keys = c.Keys // made anew by each load
			}
			if err == nil {
				err = a.reload(ctx, next)
			}
			if err != nil {
				log.ErrorContext(ctx, "configuration not reloaded; the old one stays", "error", err)
			}
		}
	})
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	return a.serve(ctx)
}

// letDemoReturn allows the playground's pages to send a browser back to the demo
// portal, on whichever port and loopback name that is.
func letDemoReturn(c *config.Config) {
	_, port, err := net.SplitHostPort(c.Server.Listen)
	if err != nil {
		return // listening will say what is wrong
	}
	for i := range c.Gateway.Apps {
		for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
			allowed := &c.Gateway.Apps[i].Pages.ReturnURLs
			*allowed = append(*allowed, "http://"+net.JoinHostPort(host, port)+"/demo/")
		}
	}
}

// program is how this program was started, for commands to paste.
func program() string {
	switch dir, name := filepath.Split(os.Args[0]); {
	case strings.Contains(dir, "go-build"):
		return "go run ./cmd/denwa"
	case dir == "":
		return name
	}
	return os.Args[0]
}

// playgroundBanner is what a newcomer needs to know.
func playgroundBanner(public, admin net.Addr) string {
	elsewhere := ""
	if server := "http://" + public.String(); server != defaultServer {
		elsewhere = " --server " + server
	}
	return strings.NewReplacer(
		"PROGRAM", program(), "PUBLIC", public.String(), "ADMIN", admin.String(), "KEY", config.PlaygroundKey, " ELSEWHERE", elsewhere,
	).Replace(`
Denwa is running as a playground: nothing is sent, nothing is kept.

Verify a number, from a second terminal:

  curl -s http://PUBLIC/v1/verifications -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"to": "090-1234-5678"}'

Read the message on the phone on the screen, in a browser or here:

  curl -s http://PUBLIC/sandbox/api/phones/+819012345678/messages

Or do all of it in one go, by message or by call:

  PROGRAM verify 090-1234-5678 ELSEWHERE
  PROGRAM verify 090-1234-5678 --channel voice ELSEWHERE

Demo portal    http://PUBLIC/demo/
Phone          http://PUBLIC/sandbox/
Deliveries     http://ADMIN/dashboard
API reference  http://PUBLIC/v1/docs
Metrics        http://ADMIN/metrics

Ctrl-C stops it.

`)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"denwa/config"
	"denwa/gateway"
	"denwa/providers"
)

// embeddedHolds is how many verifications a bench puts into the store in memory,
// which never gives them back: about 600 MB.
const embeddedHolds = 200_000

// benchTarget is the gateway that is measured.
type benchTarget struct {
	name     string
	api      *client
	carriers []string // to phones on the screen; there are no others
	// code finds what was sent to number.
	code  func(ctx context.Context, id, number string) (string, error)
	holds int64 // most verifications; 0 is no bound
	close func() error
}

// openTarget finds or makes the gateway. It fails unless all its carriers are sandboxes.
func openTarget(ctx context.Context, c *cobra.Command, o benchOptions) (*benchTarget, error) {
	if o.server != "" {
		return openServer(ctx, c, o)
	}
	if o.key != "" {
		return nil, errUsage(c, errors.New("--key goes with --server"))
	}
	return startOwn(ctx, c, o)
}

func remoteRefused(c *cobra.Command, what string) error {
	return errUsage(c, fmt.Errorf("%s is on another machine; --allow-remote says that it may be loaded", what))
}

// benchTransport keeps a connection for each request that is under way.
func benchTransport(connections int) *http.Transport {
	return &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true}
}

// openServer is the gateway at --server.
func openServer(ctx context.Context, c *cobra.Command, o benchOptions) (*benchTarget, error) {
	api, err := newClient(o.server, cmp.Or(o.key, os.Getenv("DENWA_API_KEY")), benchTransport(o.connections))
	if err != nil {
		return nil, errUsage(c, err)
	}
	local := providers.Loopback(api.base.Hostname())
	switch {
	case !local && !o.allowRemote:
		return nil, remoteRefused(c, o.server)
	case api.key == "" && !local:
		return nil, errUsage(c, errors.New("give the app's API key with --key or DENWA_API_KEY"))
	case api.key == "":
		api.key = config.PlaygroundKey
	}
	ctx, cancel := context.WithTimeoutCause(ctx, benchAnswerWithin, errNoAnswer)
	defer cancel()
	var sandbox struct {
		Carriers []string
		Others   bool
	}
	_, err = api.do(ctx, http.MethodGet, api.base.JoinPath("sandbox", "api", "carriers"), nil, nil, &sandbox)
	switch {
	case err != nil && !hasCode(err, "not_found"):
		return nil, err
	case err != nil || len(sandbox.Carriers) == 0:
		return nil, fmt.Errorf("%s has no sandbox, so it would send real messages; bench needs a gateway whose providers are all of type sandbox", o.server)
	case sandbox.Others:
		return nil, fmt.Errorf("%s has carriers to real phones beside its sandbox; bench needs a gateway whose providers are all of type sandbox", o.server)
	}
	return &benchTarget{
		name: o.server, api: api, carriers: sandbox.Carriers, code: api.codeOnScreen,
		close: func() error { return nil },
	}, nil
}

var sixDigits = regexp.MustCompile(`\b[0-9]{6,10}\b`)

// codeOnScreen reads the latest message on a sandbox's phone.
func (c *client) codeOnScreen(ctx context.Context, _, number string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), benchAnswerWithin, errNoAnswer)
	defer cancel()
	var messages []struct{ Text string }
	if _, err := c.do(ctx, http.MethodGet, c.base.JoinPath("sandbox", "api", "phones", number, "messages"), nil, nil, &messages); err != nil {
		return "", err
	}
	if len(messages) > 0 {
		if code := sixDigits.FindString(messages[len(messages)-1].Text); code != "" {
			return code, nil
		}
	}
	return "", wrongReplyError("no code arrived on the sandbox's phone")
}

// startOwn runs a playground in this process. Only DENWA_STORE_… of the environment
// counts: whoever has configured a carrier there doesn't want it used.
func startOwn(ctx context.Context, c *cobra.Command, o benchOptions) (*benchTarget, error) {
	t := &benchTarget{name: "a gateway of its own, store in memory", holds: embeddedHolds}
	env := []string{"DENWA_SERVER_LISTEN=127.0.0.1:0", "DENWA_ADMIN_LISTEN=127.0.0.1:0", "DENWA_LOG_FORMAT=json"}
	if o.redis != "" {
		host, _, err := net.SplitHostPort(o.redis)
		switch {
		case err != nil:
			return nil, errUsage(c, errors.New("--redis takes host:port, such as 127.0.0.1:6379"))
		case !providers.Loopback(host) && !o.allowRemote:
			return nil, remoteRefused(c, o.redis)
		}
		t.name, t.holds = "a gateway of its own, Redis at "+o.redis, 0
		for _, v := range os.Environ() {
			if strings.HasPrefix(v, "DENWA_STORE_") {
				env = append(env, v)
			}
		}
		env = append(env, "DENWA_STORE_TYPE=redis", "DENWA_STORE_ADDRESSES="+o.redis)
	}
	settings, err := config.Playground(env)
	if err != nil {
		return nil, err
	}
	master, _, err := settings.Keys.Decode()
	if err != nil {
		return nil, err
	}
	keys, err := gateway.NewKeyring(master)
	if err != nil {
		return nil, err
	}
	app := settings.Gateway.Apps[0].Name
	t.code = func(_ context.Context, id, _ string) (string, error) { return keys.Code(gateway.ID(id), app), nil }
	for _, p := range settings.Providers {
		t.carriers = append(t.carriers, p.Name)
	}

	// Lines of the log are written, as they are elsewhere, and nobody reads them.
	a, err := start(ctx, settings, slog.New(settings.Log.Handler(discarded{})))
	if err != nil {
		return nil, err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- a.serve(serving) }()
	t.close = func() error {
		stop()
		return <-served
	}
	t.api, err = newClient(a.here(), config.PlaygroundKey, benchTransport(o.connections))
	return t, err
}

// discarded is [io.Discard] for who would skip the work otherwise.
type discarded struct{}

// Write implements [io.Writer].
func (discarded) Write(p []byte) (int, error) { return len(p), nil }

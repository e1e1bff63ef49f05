package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"denwa/config"
	"denwa/gateway/phone"
	"denwa/providers"
)

const defaultServer = "http://127.0.0.1:8080"

type verifyOptions struct {
	startRequest
	server, key string
	json        bool
}

func newVerifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify NUMBER",
		Short: "Verify a phone number from the terminal",
		Long: `Starts a verification at a gateway and takes it to its end. By SMS it asks for
the code; by voice it waits for the key press. "r" and Enter sends the message
again, or calls again, as soon as that is allowed.

Codes can come from a pipe, one a line; a verification that the input leaves
unfinished is canceled. The standard output gets one line, the result: the
status and the masked number. Everything else goes to the standard error.

The API key is --key, else DENWA_API_KEY, else, for a gateway on this machine,
the playground's. Prefer the variable: other users can see arguments.

Exits 0 if the phone was approved, 1 if not, 2 on wrong usage or an error from
the gateway, 130 after Ctrl-C, which cancels.`,
		Example: `  denwa verify 090-1234-5678
  denwa verify "03-1234-5678" --channel voice
  echo 123456 | denwa verify +819012345678 --json
  DENWA_API_KEY=dnw_… denwa verify 090-1234-5678 --server https://verify.example.jp`,
		Args: oneArg("the number"),
		RunE: func(c *cobra.Command, args []string) error {
			o.To = args[0]
			return verify(c, o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.Channel, "channel", "", "sms or voice (default: by the type of the number)")
	f.StringVar(&o.Mode, "mode", "", "how the phone answers: code, confirm or keyed (default: code for sms, confirm for voice)")
	f.StringVar(&o.Country, "country", "", "country of a number without a country code, such as JP (default: the app's)")
	f.StringVar(&o.Extension, "extension", "", "extension of an office phone, by voice only")
	f.StringVar(&o.Locale, "locale", "", "language of the message, such as ja (default: by number and app)")
	f.StringVar(&o.server, "server", "", "gateway to ask (default DENWA_SERVER, else "+defaultServer+")")
	f.StringVar(&o.key, "key", "", "API key (default DENWA_API_KEY, else the playground's)")
	f.BoolVar(&o.json, "json", false, "print the final verification as JSON")
	completeValues(c, "channel", "sms", "voice")
	completeValues(c, "mode", "code", "confirm", "keyed")
	completeValues(c, "locale", "ja", "en")
	completeValues(c, "country", phone.Regions()...)
	return c
}

// completeValues completes the values of a flag.
func completeValues(c *cobra.Command, flag string, values ...string) {
	complete := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag isn't there
	}
}

// oneOf checks a flag that takes one of values or nothing.
func oneOf(c *cobra.Command, flag, value string, values ...string) error {
	if value == "" || slices.Contains(values, value) {
		return nil
	}
	return errUsage(c, fmt.Errorf("--%s takes %s", flag, strings.Join(values, " or ")))
}

func verify(c *cobra.Command, o verifyOptions) error {
	if err := oneOf(c, "channel", o.Channel, "auto", "sms", "voice"); err != nil {
		return err
	}
	if err := oneOf(c, "mode", o.Mode, "code", "confirm", "keyed"); err != nil {
		return err
	}
	o.server = cmp.Or(o.server, os.Getenv("DENWA_SERVER"), defaultServer)
	gateway, err := newClient(o.server, cmp.Or(o.key, os.Getenv("DENWA_API_KEY")), nil)
	if err != nil {
		return errUsage(c, err)
	}
	if gateway.key == "" {
		if !providers.Loopback(gateway.base.Hostname()) {
			return errUsage(c, errors.New("give the app's API key with --key or DENWA_API_KEY"))
		}
		gateway.key = config.PlaygroundKey
	}

	// The first Ctrl-C cancels the verification, a second one kills.
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	v, err := takeThrough(ctx, gateway, newTerminal(ctx, c.InOrStdin(), c.ErrOrStderr()), o.startRequest)
	if v != nil {
		printResult(c.OutOrStdout(), v, o.json)
	}
	return err
}

// takeThrough starts a verification and takes it to its end. It returns the
// verification if one was started, and no error if it was approved.
func takeThrough(ctx context.Context, c *client, t *terminal, r startRequest) (*verification, error) {
	v, err := c.start(ctx, r)
	var p *problem
	undelivered := errors.As(err, &p) && p.Verification != nil
	switch {
	case ctx.Err() != nil:
		return nil, exitQuietly(exitInterrupted)
	case undelivered:
		v = p.Verification
	case err != nil:
		return nil, err
	}

	s := newSession(c, t, v)
	if undelivered {
		err = s.take(ctx, v, err) // a person can ask to send it again
	} else {
		t.say(s.opening())
		if d := v.latest(); t.interactive && d.Provider == "sandbox" && d.Channel != channelVoice {
			t.say("Read it at " + c.base.JoinPath("sandbox", "api", "phones", v.To, "messages").String())
		}
	}
	if err == nil {
		err = s.run(ctx)
	}
	if s.v.Status == statusPending {
		if failed := s.giveUp(ctx); failed != nil && !hasCode(failed, "not_found") {
			t.say("It stays open until it expires, because it can't be canceled: " + failed.Error())
		}
	}
	var unfinished unfinishedError
	switch {
	case s.v.Status == statusApproved:
		return s.v, nil
	case ctx.Err() != nil:
		return s.v, exitQuietly(exitInterrupted)
	case err == nil:
		return s.v, withExit(exitNo, errors.New("not approved: "+verdict(s.v.Status)))
	case errors.As(err, &unfinished):
		return s.v, withExit(exitNo, fmt.Errorf("not approved: %w", err))
	default:
		return s.v, err
	}
}

func printResult(w io.Writer, v *verification, asJSON bool) {
	if asJSON {
		fmt.Fprintf(w, "%s\n", v.Raw)
		return
	}
	fmt.Fprintln(w, v.Status, v.ToMasked)
}

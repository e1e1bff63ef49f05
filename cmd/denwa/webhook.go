package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"denwa/gateway/redisstore"
)

// mostDeadLetters is how many are listed.
const mostDeadLetters = 1000

func newWebhookCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "webhook",
		Short: "List and replay events that could not be delivered",
		Long: `An event that an app's webhook didn't take for a day is given up, and kept for a
week. These commands list such events and send them again. They talk to the
store that the configuration names.`,
		Example: `  denwa webhook list --config denwa.yaml --app portal
  denwa webhook replay --config denwa.yaml --app portal --all`,
	}
	c.AddCommand(newWebhookListCommand(), newWebhookReplayCommand())
	return c
}

func newWebhookListCommand() *cobra.Command {
	var path, app string
	c := &cobra.Command{
		Use:   "list --app NAME",
		Short: "List the events that were given up",
		Long: `Lists the events of an app that were given up, the latest first: id, what
happened, when, after how many attempts, and why the last one failed. It lists
1000 at most.`,
		Example: `  denwa webhook list --config denwa.yaml --app portal`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			outbox, closer, err := openOutbox(c, path, app)
			if err != nil {
				return err
			}
			defer closer()
			letters, err := outbox.DeadLetters(c.Context(), app, mostDeadLetters)
			if err != nil {
				return withExit(exitStore, err)
			}
			for _, l := range letters {
				fmt.Fprintf(c.OutOrStdout(), "%s  %-25s  %s  %d attempts  %s\n", l.ID, l.Type, l.At.UTC().Format(time.RFC3339), l.Attempts, l.Reason)
			}
			switch len(letters) {
			case 0:
				fmt.Fprintln(c.ErrOrStderr(), "no event of this app was given up")
			case mostDeadLetters:
				fmt.Fprintf(c.ErrOrStderr(), "only the latest %d are listed; there may be more\n", mostDeadLetters)
			}
			return nil
		},
	}
	webhookFlags(c, &path, &app)
	return c
}

func newWebhookReplayCommand() *cobra.Command {
	var path, app string
	var all bool
	c := &cobra.Command{
		Use:   "replay --app NAME (EVENT... | --all)",
		Short: "Send events again that were given up",
		Long: `Puts events back that were given up: a running gateway sends them again, with
the same id, so that a receiver knows those that it has seen.`,
		Example: `  denwa webhook replay --config denwa.yaml --app portal --all`,
		RunE: func(c *cobra.Command, events []string) error {
			if all == (len(events) > 0) {
				return errUsage(c, fmt.Errorf("name the events, or give --all"))
			}
			outbox, closer, err := openOutbox(c, path, app)
			if err != nil {
				return err
			}
			defer closer()
			if all {
				letters, err := outbox.DeadLetters(c.Context(), app, math.MaxInt32)
				if err != nil {
					return withExit(exitStore, err)
				}
				for _, l := range letters {
					events = append(events, l.ID)
				}
			}
			for _, e := range events {
				found, err := outbox.Replay(c.Context(), app, e)
				if err != nil {
					return withExit(exitStore, err)
				}
				switch {
				case found:
				case all: // somebody else was faster
					continue
				default:
					return withExit(exitNo, fmt.Errorf("no event %s of app %s was given up", e, app))
				}
				fmt.Fprintln(c.OutOrStdout(), e)
			}
			return nil
		},
	}
	webhookFlags(c, &path, &app)
	c.Flags().BoolVar(&all, "all", false, "all events of the app that were given up")
	return c
}

func webhookFlags(c *cobra.Command, path, app *string) {
	configFlag(c, path)
	c.Flags().StringVar(app, "app", "", "app whose events these are")
}

// openOutbox connects to the store of the configuration at path.
func openOutbox(c *cobra.Command, path, app string) (*redisstore.Outbox, func(), error) {
	if app == "" {
		return nil, nil, errUsage(c, errors.New("--app is missing"))
	}
	cfg, err := loadNamed(path)
	if err != nil {
		return nil, nil, err
	}
	if err := inReach(c, cfg.Store); err != nil {
		return nil, nil, err
	}
	known := false
	for _, a := range cfg.Gateway.Apps {
		known = known || a.Name == app
	}
	if !known {
		return nil, nil, errUsage(c, fmt.Errorf("the configuration has no app %q", app))
	}
	client, closeClient, err := redisstore.Connect(cfg.Store)
	if err != nil {
		return nil, nil, err
	}
	store := redisstore.New(client, redisstore.NewMetrics(newRegistry()))
	return store.Outbox(), func() { _ = store.Close(); _ = closeClient() }, nil
}

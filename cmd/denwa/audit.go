package main

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"denwa/config"
	"denwa/gateway"
	"denwa/gateway/redisstore"
)

func newAuditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Export what operators did to numbers",
		Long: `Each block and unblock by an operator is logged in the store, in the same step.
An entry is kept for 400 days.`,
		Example: `  denwa audit export --config denwa.yaml > audit.jsonl`,
	}
	c.AddCommand(newAuditExportCommand())
	return c
}

func newAuditExportCommand() *cobra.Command {
	var path string
	var since time.Duration
	var reveal bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the audit log, a JSON object a line",
		Long: `Prints what operators did to numbers, oldest first: when (at), action, who (by),
the masked number, its country, until when it was blocked, and why (reason).

--reveal adds the full number (to). An entry that was made under a master key
which the configuration no longer has says "unreadable", and lacks both.`,
		Example: `  denwa audit export --config denwa.yaml --since 24h
  (umask 077; denwa audit export --config denwa.yaml --reveal > audit.jsonl)`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			desk, _, closer, err := openDesk(c, path)
			if err != nil {
				return err
			}
			defer closer()
			var from time.Time
			if since > 0 {
				from = time.Now().Add(-since)
			}
			log, err := desk.Audit(c.Context(), from)
			if err != nil {
				return deskError(err)
			}
			out := json.NewEncoder(c.OutOrStdout())
			for _, r := range log {
				if err := out.Encode(auditLine(r, reveal)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().DurationVar(&since, "since", 0, "how far back, such as 24h; everything without it")
	c.Flags().BoolVar(&reveal, "reveal", false, "print full numbers")
	return c
}

// auditEntry is an entry of the log as it is exported.
type auditEntry struct {
	At         time.Time           `json:"at"`
	Action     gateway.AuditAction `json:"action"`
	By         string              `json:"by"`
	ToMasked   string              `json:"to_masked"`
	Country    string              `json:"country"`
	To         string              `json:"to,omitempty"`
	Until      *time.Time          `json:"until,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	Unreadable bool                `json:"unreadable,omitempty"`
}

func auditLine(r gateway.AuditRecord, reveal bool) auditEntry {
	e := auditEntry{
		At: r.At, Action: r.Action, By: r.By, ToMasked: r.Masked, Country: r.Country,
		Until: moment(r.Until), Reason: r.Reason, Unreadable: r.Unreadable != nil,
	}
	if reveal {
		e.To = r.To
	}
	return e
}

// moment is nil for a time that never was.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// openDesk connects to the store of the configuration at path.
func openDesk(c *cobra.Command, path string) (*gateway.Desk, *config.Config, func(), error) {
	cfg, err := loadNamed(path)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := inReach(c, cfg.Store); err != nil {
		return nil, nil, nil, err
	}
	master, previous, err := cfg.Keys.Decode()
	if err != nil {
		return nil, nil, nil, err
	}
	keys, err := gateway.NewKeyring(master, previous...)
	if err != nil {
		return nil, nil, nil, err
	}
	policy, err := gateway.NewPolicy(cfg.Gateway, gateway.Everywhere{})
	if err != nil {
		return nil, nil, nil, err
	}
	client, closeClient, err := redisstore.Connect(cfg.Store)
	if err != nil {
		return nil, nil, nil, err
	}
	store := redisstore.New(client, redisstore.NewMetrics(prometheus.NewRegistry()))
	closer := func() { _ = store.Close(); _ = closeClient() }
	if _, err := keys.ShareNames(c.Context(), store); err != nil {
		closer()
		return nil, nil, nil, withExit(exitStore, err)
	}
	return gateway.NewDesk(store, keys, policy), cfg, closer, nil
}

// inReach refuses a store that only the gateway itself has.
func inReach(c *cobra.Command, store redisstore.Config) error {
	if store.Type != redisstore.TypeEmbedded {
		return nil
	}
	return errUsage(c, errors.New("the embedded store is inside the gateway's process, out of reach; this needs Redis"))
}

// deskError gives an error of a [gateway.Desk] its exit code.
func deskError(err error) error {
	var said *gateway.Error
	switch {
	case !errors.As(err, &said):
		return err
	case said.Code == gateway.CodeNotFound:
		return withExit(exitNo, err)
	case said.Code == gateway.CodeUnavailable:
		return withExit(exitStore, err)
	}
	return err
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"denwa/gateway"
	"denwa/providers"
)

func newVerificationsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verifications",
		Short: "Show how a verification went",
		Long: `Shows what the store knows of a verification, of any app. It talks to the store
that the configuration names.`,
		Example: `  denwa verifications show --config denwa.yaml vf_r5xqqbunljazjshh35yijldk6aumce4o`,
	}
	c.AddCommand(newVerificationsShowCommand())
	return c
}

func newVerificationsShowCommand() *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show one verification",
		Long: `Shows a verification or dispatch: its app, its status, the masked number, and
each delivery with its provider, its times and what became of it. It never shows
a code, and it changes nothing.

Exits 1 if there is none, or if it is no longer kept.`,
		Example: `  denwa verifications show --config denwa.yaml vf_r5xqqbunljazjshh35yijldk6aumce4o
  denwa verifications show --json vf_r5xqqbunljazjshh35yijldk6aumce4o`,
		Args: oneArg("the id"),
		RunE: func(c *cobra.Command, args []string) error {
			desk, _, closer, err := openDesk(c, path)
			if err != nil {
				return err
			}
			defer closer()
			v, err := desk.Verification(c.Context(), args[0])
			if err != nil {
				return deskError(err)
			}
			shown := showVerification(v)
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(shown)
			}
			shown.print(c.OutOrStdout())
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return c
}

// shownVerification is what an operator sees of a verification.
type shownVerification struct {
	ID          string          `json:"id"`
	App         string          `json:"app"`
	Status      gateway.Status  `json:"status"`
	Mode        gateway.Mode    `json:"mode"`
	ToMasked    string          `json:"to_masked"`
	Country     string          `json:"country"`
	NumberType  string          `json:"number_type"`
	Attempts    int             `json:"attempts"`
	MaxAttempts int             `json:"max_attempts"`
	Sends       int             `json:"sends"`
	MaxSends    int             `json:"max_sends"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
	Deliveries  []shownDelivery `json:"deliveries"`
}

type shownDelivery struct {
	Provider  string           `json:"provider"`
	Channel   gateway.Channel  `json:"channel"`
	Status    providers.Status `json:"status"`
	Segments  int              `json:"segments"`
	At        time.Time        `json:"at"`
	UpdatedAt time.Time        `json:"updated_at"`
}

func showVerification(v *gateway.Verification) shownVerification {
	shown := shownVerification{
		ID: string(v.ID), App: v.App, Status: v.Status, Mode: v.Mode, ToMasked: v.ToMasked,
		Country: v.Country, NumberType: v.NumberType,
		Attempts: v.Attempts, MaxAttempts: v.MaxAttempts, Sends: v.Sends, MaxSends: v.MaxSends,
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, ExpiresAt: v.ExpiresAt,
		Deliveries: []shownDelivery{},
	}
	if v.ID.IsDispatch() {
		shown.Mode = gateway.ModeMessage
	}
	for _, d := range v.Deliveries {
		shown.Deliveries = append(shown.Deliveries, shownDelivery{d.Provider, d.Channel, d.Status, d.Segments, d.At, d.UpdatedAt})
	}
	return shown
}

func (v shownVerification) print(w io.Writer) {
	fmt.Fprintln(w, v.ID)
	line := lines(w)
	line("app", v.App)
	checked := v.Mode != gateway.ModeMessage // a dispatch is its deliveries
	if checked {
		line("status", string(v.Status))
		line("mode", string(v.Mode))
	}
	line("number", fmt.Sprintf("%s, %s, %s", v.ToMasked, v.Country, v.NumberType))
	if checked {
		line("attempts", fmt.Sprintf("%d of %d", v.Attempts, v.MaxAttempts))
	}
	line("sends", fmt.Sprintf("%d of %d", v.Sends, v.MaxSends))
	line("created", stamp(v.CreatedAt))
	line("updated", stamp(v.UpdatedAt))
	line("expires", stamp(v.ExpiresAt))
	for i, d := range v.Deliveries {
		line(fmt.Sprintf("delivery %d", i+1), fmt.Sprintf("%s by %s, %s: %s %s", d.Channel, d.Provider, stamp(d.At), d.Status, stamp(d.UpdatedAt)))
	}
}

// lines prints properties below a heading.
func lines(w io.Writer) func(name, value string) {
	return func(name, value string) { fmt.Fprintf(w, "  %-12s %s\n", name, value) }
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

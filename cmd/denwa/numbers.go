package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"denwa/gateway"
	"denwa/gateway/phone"
)

// defaultBlock is how long an operator's block lasts who doesn't say.
const defaultBlock = 24 * time.Hour

func newNumbersCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "numbers",
		Short: "Show, block and unblock a number",
		Long: `Shows how a number stands, and blocks or unblocks it for every app and channel.
These commands talk to the store that the configuration names.

A number is typed as a person types it, and shown masked. What is typed stays in
the history of your shell: "-" reads the number from the standard input.`,
		Example: `  denwa numbers show --config denwa.yaml 090-1234-5678
  denwa numbers block --config denwa.yaml --reason "asked by phone" -`,
	}
	c.AddCommand(newNumbersShowCommand(), newNumbersBlockCommand(), newNumbersUnblockCommand())
	return c
}

func newNumbersShowCommand() *cobra.Command {
	var at numberFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "show NUMBER",
		Short: "Show how a number stands",
		Long: `Shows a number's country and type, until when it is blocked, by whom and why,
and what its limits leave: to those who proved to hold it within 30 days, and to
all others. It changes nothing.`,
		Example: `  denwa numbers show --config denwa.yaml 090-1234-5678
  echo 090-1234-5678 | denwa numbers show --json -`,
		Args: oneArg("the number"),
		RunE: func(c *cobra.Command, args []string) error {
			desk, n, closer, err := at.open(c, args[0])
			if err != nil {
				return err
			}
			defer closer()
			report, err := desk.Number(c.Context(), n)
			if err != nil {
				return deskError(err)
			}
			shown := showNumber(n, report)
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(shown)
			}
			shown.print(c.OutOrStdout())
			return nil
		},
	}
	at.define(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return c
}

func newNumbersBlockCommand() *cobra.Command {
	var at numberFlags
	var by, reason string
	var life time.Duration
	var forever bool
	c := &cobra.Command{
		Use:   "block NUMBER --reason TEXT",
		Short: "Refuse to send to a number",
		Long: `Blocks a number for every app and channel, at once: starts and resends are
refused with code "blocked". What has been sent already can still be checked.
A new block replaces the one that there is. The audit log says who and why.`,
		Example: `  denwa numbers block --reason "asked by phone, ticket 4711" 090-1234-5678
  denwa numbers block --for 720h --by carol --reason "toll fraud" +819012345678
  echo 090-1234-5678 | denwa numbers block --forever --reason "a hospital" -`,
		Args: oneArg("the number"),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return errUsage(c, errors.New("--reason is missing"))
			}
			if forever && c.Flags().Changed("for") {
				return errUsage(c, errors.New("give --for or --forever, not both"))
			}
			if forever {
				life = gateway.MaxBlock
			}
			desk, n, closer, err := at.open(c, args[0])
			if err != nil {
				return err
			}
			defer closer()
			until, err := desk.Block(c.Context(), n, operator(by), reason, life)
			if err != nil {
				return deskError(err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is blocked until %s\n", n.Masked, stamp(until))
			return nil
		},
	}
	at.define(c)
	auditFlags(c, &by, &reason)
	c.Flags().DurationVar(&life, "for", defaultBlock, "how long, such as 72h")
	c.Flags().BoolVar(&forever, "forever", false, "for ten years")
	return c
}

func newNumbersUnblockCommand() *cobra.Command {
	var at numberFlags
	var by, reason string
	c := &cobra.Command{
		Use:   "unblock NUMBER",
		Short: "End the block of a number",
		Long: `Ends a block at once, whether an operator made it or the number's holder did by
pressing 0# on a call. The audit log says who and why. Limits stay as they are.

Exits 1 if the number isn't blocked.`,
		Example: `  denwa numbers unblock --reason "the holder called" 090-1234-5678`,
		Args:    oneArg("the number"),
		RunE: func(c *cobra.Command, args []string) error {
			desk, n, closer, err := at.open(c, args[0])
			if err != nil {
				return err
			}
			defer closer()
			was, err := desk.Unblock(c.Context(), n, operator(by), reason)
			if err != nil {
				return deskError(err)
			}
			if !was {
				return withExit(exitNo, fmt.Errorf("%s isn't blocked", n.Masked))
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is no longer blocked\n", n.Masked)
			return nil
		},
	}
	at.define(c)
	auditFlags(c, &by, &reason)
	return c
}

func auditFlags(c *cobra.Command, by, reason *string) {
	c.Flags().StringVar(by, "by", "", "who does it; the system's user without it")
	c.Flags().StringVar(reason, "reason", "", "why, in one line, for the audit log")
}

// operator is who runs this, as named or as the system knows them.
func operator(named string) string {
	if named != "" {
		return named
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid()) // a container may have no users
}

// numberFlags say where a number is looked up, and how it is read.
type numberFlags struct{ path, country string }

func (f *numberFlags) define(c *cobra.Command) {
	configFlag(c, &f.path)
	c.Flags().StringVar(&f.country, "country", "", "country of a number without a country code; the configuration's without it")
	completeValues(c, "country", phone.Regions()...)
}

// open connects to the store and reads the number that was typed, or is to be
// read from the standard input.
func (f *numberFlags) open(c *cobra.Command, typed string) (*gateway.Desk, phone.Number, func(), error) {
	fail := func(err error) (*gateway.Desk, phone.Number, func(), error) {
		return nil, phone.Number{}, nil, err
	}
	if f.country = strings.ToUpper(f.country); f.country != "" && !phone.IsRegion(f.country) {
		return fail(errUsage(c, errors.New("--country takes a two-letter country code, such as JP")))
	}
	if typed == "-" {
		line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), 1<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fail(fmt.Errorf("read the number: %w", err))
		}
		typed = strings.TrimSpace(line)
	}
	desk, cfg, closer, err := openDesk(c, f.path)
	if err != nil {
		return fail(err)
	}
	if f.country == "" {
		f.country = cfg.Gateway.Defaults.Country
	}
	n, err := phone.Parse(typed, phone.Options{Region: f.country, AllowExtension: true})
	if err == nil && n.E164 == "" {
		err = errors.New("this number is never called, nor sent anything")
	}
	if err != nil {
		closer()
		return fail(err)
	}
	return desk, n, closer, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand builds the whole command tree.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "denwa",
		Short: "A phone verification gateway that you run yourself",
		Long: `Denwa (電話) proves that a person holds a phone number: it sends a code by SMS,
or calls and asks for a key press, and tells the service that asked.

Without a configuration file, "denwa serve" starts a complete playground with a
phone on the screen, so everything can be tried without a carrier.`,
		Example: `  denwa serve
  denwa verify 090-1234-5678      # in a second terminal`,
		Version:            readBuild().String(),
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true, // execute words them as one sentence
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(errUsage)
	root.SetUsageTemplate(root.UsageTemplate() + `{{if not .HasParent}}
Environment:
  DENWA_CONFIG        configuration file, where there is no --config
  DENWA_SERVER        gateway that "verify" talks to
  DENWA_API_KEY       API key that "verify" and "bench" use
  DENWA_ADMIN_LISTEN  admin address that "healthcheck" asks
  DENWA_...           every key of the configuration; see "denwa config reference"

Exit codes:
` + exitHelp() + `
{{end}}`)

	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run a gateway:"},
		&cobra.Group{ID: "try", Title: "Try it:"},
		&cobra.Group{ID: "about", Title: "About this program:"},
	)
	root.SetHelpCommandGroupID("about")
	root.CompletionOptions.DisableDefaultCmd = true
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", newServeCommand(), newConfigCommand(), newKeyCommand(), newEntraCommand(), newWebhookCommand(),
		newNumbersCommand(), newVerificationsCommand(), newAuditCommand(), newHealthcheckCommand())
	add("try", newVerifyCommand(), newPhoneCommand(), newBenchCommand())
	add("about", newCompletionCommand(), newVersionCommand())

	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Example = "  denwa help verify"
		help.Args = knownTopic // its own way is to print the usage and succeed
	}

	for _, c := range root.Commands() {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args = unknownCommand
			c.DisableFlagsInUseLine = true
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	return root
}

// execute runs the command that args name.
func execute(root *cobra.Command, args []string) error {
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return nil
	}
	if _, rest, unknown := root.Find(args); unknown != nil {
		return unknownCommand(root, rest)
	}
	return err
}

// unknownCommand refuses the first word of args as a subcommand of c and
// names the ones that look like it.
func unknownCommand(c *cobra.Command, args []string) error {
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		text := fmt.Sprintf("unknown command %q", c.CommandPath()+" "+arg)
		if c.SuggestionsMinimumDistance == 0 {
			c.SuggestionsMinimumDistance = 2
		}
		if near := c.SuggestionsFor(arg); len(near) > 0 {
			return fmt.Errorf("%s; did you mean %q?", text, strings.Join(near, `" or "`))
		}
		return fmt.Errorf("%s; %q lists the commands", text, c.CommandPath()+" --help")
	}
	return nil
}

// knownTopic refuses what "help" can't explain.
func knownTopic(c *cobra.Command, args []string) error {
	topic, rest, err := c.Root().Find(args)
	if err != nil {
		return unknownCommand(c.Root(), args)
	}
	return unknownCommand(topic, rest)
}

// errUsage makes a usage error that points to the command's help.
func errUsage(c *cobra.Command, err error) error {
	return withExit(exitUsage, fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help"))
}

// noArgs refuses arguments.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errUsage(c, fmt.Errorf("%q takes no arguments", c.CommandPath()))
	}
	return nil
}

// oneArg asks for exactly one argument, called name.
func oneArg(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return errUsage(c, errors.New(name+" is missing"))
		case len(args) > 1:
			return errUsage(c, errors.New("one argument is enough; quote a text that holds spaces"))
		}
		return nil
	}
}

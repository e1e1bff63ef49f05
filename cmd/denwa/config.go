package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"denwa/config"
)

func newConfigCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, print and explain the configuration",
		Long: `Finds the mistakes in a configuration, prints the one that is in force, and
explains every key.`,
		Example: `  denwa config example > denwa.yaml
  denwa config check denwa.yaml`,
	}
	c.AddCommand(newConfigCheckCommand(), newConfigPrintCommand(),
		embedded("reference", "Print what every key means", `Prints every key with its form, its default, its variable and what it is for, in
Markdown.`, "denwa config reference | less", config.Reference),
		embedded("schema", "Print the JSON Schema", `Prints a JSON Schema (2020-12), with which editors complete keys and mark
mistakes while you type.`, "denwa config schema > denwa.schema.json", config.Schema),
		embedded("example", "Print a file to begin with", `Prints a configuration with comments. It lacks the secrets: the comments say
which, and how to give them.`, "denwa config example > denwa.yaml", config.Example),
	)
	return c
}

func newConfigCheckCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find every mistake",
		Long: `Reads the file, or the one that DENWA_CONFIG names, with the environment over
it, as "serve" does, and lists every mistake: where, at which key, and what to
do.

The exit code is 0 if there is none, else 2.`,
		Example: `  denwa config check denwa.yaml
  denwa config check denwa.yaml && kill -HUP "$(pidof denwa)"`,
		Args:                  oneFile(&path),
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return errUsage(c, errors.New("FILE is missing, and "+config.Variable+" is not set"))
			}
			if _, err := config.Load(path, os.Environ()); err != nil {
				return listMistakes(c.ErrOrStderr(), err)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s: no mistakes\n", path)
			return err
		},
	}
	configFlag(c, &path)
	return c
}

func newConfigPrintCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "print [FILE]",
		Short: "Print what is in force",
		Long: `Reads the file, or the one that DENWA_CONFIG names, with the environment over
it, and prints every key with the value that is in force. Without a file it
prints the playground. In the place of a secret stands [redacted].`,
		Example: `  denwa config print denwa.yaml
  DENWA_LOG_LEVEL=debug denwa config print denwa.yaml | tail -3`,
		Args:                  oneFile(&path),
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			effective, err := config.Playground(os.Environ())
			if path != "" {
				effective, err = config.Load(path, os.Environ())
			}
			if err != nil {
				return listMistakes(c.ErrOrStderr(), err)
			}
			text, err := effective.YAML()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	configFlag(c, &path)
	return c
}

// configFlag lets the file be named as for "serve".
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", os.Getenv(config.Variable), "configuration file, the same as FILE")
}

// loadNamed reads the configuration for a command that has no playground. All of
// it may be in the environment; more often, a file was forgotten.
func loadNamed(path string) (*config.Config, error) {
	c, err := config.Load(path, os.Environ())
	if err != nil && path == "" {
		err = fmt.Errorf("no file is named by --config or %s, and by the environment alone %w", config.Variable, err)
	}
	return c, err
}

// oneFile takes an argument, if there is one, as the file.
func oneFile(path *string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return errUsage(c, errors.New("one FILE at a time"))
		case len(args) == 1:
			*path = args[0]
		}
		return nil
	}
}

// listMistakes prints each mistake on a line of its own, as compilers do, so
// that editors and terminals make a link of it.
func listMistakes(w io.Writer, err error) error {
	var list *config.Error
	if !errors.As(err, &list) {
		return err
	}
	for _, p := range list.Problems {
		fmt.Fprintln(w, p)
	}
	fmt.Fprintf(w, "\n%s\n", list.Count())
	return exitQuietly(exitUsage)
}

// embedded makes a command that prints a text of the program.
func embedded(name, short, long, example, text string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Long: long, Example: "  " + example,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
}

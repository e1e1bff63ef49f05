package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newCompletionCommand replaces cobra's own, which is four commands whose
// help is longer than everything else here.
func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a shell completion script",
		Long: `Prints a script that completes commands, flags and their values in your shell.
Load it once to try it, or write it to where the shell looks at start:

  bash        /etc/bash_completion.d/denwa (needs the bash-completion package)
  zsh         a file called _denwa in a folder of $fpath
  fish        ~/.config/fish/completions/denwa.fish
  powershell  at the end of $PROFILE`,
		Example: `  source <(denwa completion bash)
  denwa completion fish > ~/.config/fish/completions/denwa.fish`,
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		Args:                  oneArg("the shell"),
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			root, out := c.Root(), c.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return errUsage(c, fmt.Errorf("no completion for %q", args[0]))
		},
	}
}

package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"denwa/gateway"
)

// keyAlphabet is what follows the prefix of a key: 40 of these are 238 bits.
const keyAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var nameForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func newKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make API keys",
		Long: `Makes API keys and their hashes. The configuration holds only the SHA-256 of a
key, so nobody can read a key from it, and a lost key is replaced, not recovered.`,
		Example: `  denwa key new --app portal`,
	}
	c.AddCommand(newKeyNewCommand(), newKeyHashCommand())
	return c
}

func newKeyNewCommand() *cobra.Command {
	var app, id string
	c := &cobra.Command{
		Use:   "new --app NAME [--id ID]",
		Short: "Make an API key",
		Long: `Makes an API key from the system's random source and prints it once, on the
standard output. What to add to the configuration goes to the standard error,
so the key alone can be piped into a secret store.

To rotate a key, add the new one beside the old one, move the callers over,
then delete the old one. Both work meanwhile; "serve" reads the file again on
SIGHUP.`,
		Example: `  denwa key new --app portal
  (umask 077; denwa key new --app portal --id web-1 > portal.key)`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if app == "" {
				return errUsage(c, errors.New("--app is missing"))
			}
			for _, flag := range []string{"app", "id"} {
				if !nameForm.MatchString(c.Flag(flag).Value.String()) {
					return errUsage(c, fmt.Errorf("--%s takes 1 to 32 of a-z, 0-9 and -", flag))
				}
			}
			key, err := newKey(rand.Reader)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(c.OutOrStdout(), key); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), `
This key is shown only now. Add its hash to the configuration, then reload:

apps:
  - name: %s
    api_keys:
      - {id: %s, sha256: "%s", created: %s}
`, app, id, hashKey(key), time.Now().UTC().Format(time.DateOnly))
			return nil
		},
	}
	c.Flags().StringVar(&app, "app", "", "app that the key is for")
	c.Flags().StringVar(&id, "id", "k-"+time.Now().UTC().Format(time.DateOnly), "name of the key in logs")
	return c
}

func newKeyHashCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of an API key",
		Long: `Reads an API key from the standard input and prints its hash, as it stands in
the configuration: to find out which entry a key belongs to.`,
		Example: `  denwa key hash < portal.key
  grep -n "$(denwa key hash < portal.key)" denwa.yaml`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), 1<<10)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read the key: %w", err)
			}
			key := strings.TrimSpace(line)
			if !isKey(key) {
				return fmt.Errorf("not an API key: that is %s and %d letters and digits",
					gateway.APIKeyPrefix, gateway.APIKeyLength-len(gateway.APIKeyPrefix))
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), hashKey(key))
			return err
		},
	}
}

// newKey makes a key from a random source. Six bits name a character; the two
// values beyond the alphabet are drawn again, so every character is as likely.
func newKey(random io.Reader) (string, error) {
	key := []byte(gateway.APIKeyPrefix)
	var b [1]byte
	for len(key) < gateway.APIKeyLength {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		if i := int(b[0] & 63); i < len(keyAlphabet) {
			key = append(key, keyAlphabet[i])
		}
	}
	return string(key), nil
}

// isKey reports whether text has the form of a key.
func isKey(text string) bool {
	rest, ok := strings.CutPrefix(text, gateway.APIKeyPrefix)
	return ok && len(text) == gateway.APIKeyLength && strings.Trim(rest, keyAlphabet) == ""
}

// hashKey is the form in which the configuration knows a key.
func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

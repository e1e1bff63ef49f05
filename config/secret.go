package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 64 << 10

// readSecret returns what the file called name holds, without one newline at
// its end. A relative name is relative to the working directory.
func readSecret(name string) (string, error) {
	// A device or a pipe could block for ever.
	if info, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("can't be read: %w", err)
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name) //nolint:gosec // G304: the operator names it
	if err != nil {
		return "", fmt.Errorf("can't be read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("can't be read: %w", err)
	case len(b) > maxSecret:
		return "", errors.New("is larger than 64 KiB")
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return secret, nil
}

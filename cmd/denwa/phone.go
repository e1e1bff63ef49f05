package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"denwa/gateway/phone"
	"denwa/providers"
)

func newPhoneCommand() *cobra.Command {
	var (
		country string
		asJSON  bool
	)
	c := &cobra.Command{
		Use:   "phone NUMBER...",
		Short: "Show how phone numbers are read",
		Long: `Shows how a number is read, as a person may type it: its international and
national form, its country and type, and which channels can reach it or why not.
It looks at the number alone and asks nobody; what an app allows comes on top.

"-" reads numbers from the standard input, one a line. --json prints an object
a line, with the members of the API's number lookup and what was typed.

Exits 0 if every text is a phone number, 1 if one isn't.`,
		Example: `  denwa phone 090-1234-5678 ０３（１２３４）５６７８
  denwa phone --country US "(212) 555-0123"
  echo 0120-123-456 | denwa phone --json -`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errUsage(c, errors.New("the number is missing"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			country = strings.ToUpper(country)
			if !phone.IsRegion(country) {
				return errUsage(c, errors.New("--country takes a two-letter country code, such as JP"))
			}
			out := bufio.NewWriter(c.OutOrStdout())
			r := numberReader{country: country, print: printReading(out)}
			if asJSON {
				encoder := json.NewEncoder(out)
				r.print = func(r reading) error { return encoder.Encode(r) }
			}
			for _, arg := range args {
				read := r.read
				if arg == "-" {
					read = func(string) error { return r.readLines(c.InOrStdin()) }
				}
				if err := read(arg); err != nil {
					_ = out.Flush() // what was read before that; err says the rest
					return err
				}
			}
			if err := out.Flush(); err != nil {
				return err
			}
			if r.unreadable {
				return exitQuietly(exitNo)
			}
			return nil
		},
	}
	c.Flags().StringVar(&country, "country", "JP", "country of a number without a country code")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line")
	completeValues(c, "country", phone.Regions()...)
	return c
}

// reading is how one text is read: as a number, or why not.
type reading struct {
	Typed     string                           `json:"typed"`
	E164      string                           `json:"e164,omitempty"`
	National  string                           `json:"national,omitempty"`
	Masked    string                           `json:"masked,omitempty"`
	Country   string                           `json:"country,omitempty"`
	Type      phone.Type                       `json:"type,omitempty"`
	Extension string                           `json:"extension,omitempty"`
	Channels  map[providers.Channel]permission `json:"channels,omitempty"`
	Error     *misreading                      `json:"error,omitempty"`

	callingCode int
}

type permission struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
}

type misreading struct {
	Reason phone.Reason `json:"reason"`
	Detail string       `json:"detail"`
}

// read reads text as a number of country.
func read(text, country string) reading {
	n, err := phone.Parse(text, phone.Options{Region: country, AllowExtension: true})
	var misread *phone.Error
	if errors.As(err, &misread) {
		return reading{Typed: text, Error: &misreading{misread.Reason, misread.Message}}
	}
	r := reading{
		Typed: text, E164: n.E164, National: n.National, Masked: n.Masked,
		Country: n.Country, Type: n.Type, Extension: n.Extension,
		Channels:    make(map[providers.Channel]permission),
		callingCode: n.CallingCode,
	}
	for _, channel := range providers.Channels() {
		r.Channels[channel] = permission(n.Channel(channel))
	}
	return r
}

// numberReader prints how texts are read, and remembers whether one couldn't be.
type numberReader struct {
	country    string
	print      func(reading) error
	unreadable bool
}

func (r *numberReader) read(text string) error {
	result := read(text, r.country)
	r.unreadable = r.unreadable || result.Error != nil
	return r.print(result)
}

func (r *numberReader) readLines(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if err := r.read(lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return errors.New("read the numbers: a line is too long; one number a line")
	} else if err != nil {
		return fmt.Errorf("read the numbers: %w", err)
	}
	return nil
}

// printReading prints a block for each number: a column per property would be
// wider than a terminal, and full-width digits would break its alignment.
func printReading(w io.Writer) func(reading) error {
	separator := ""
	return func(r reading) error {
		fmt.Fprintln(w, separator+printable(r.Typed))
		separator = "\n"
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(w, "  %-10s %s\n", name, value)
			}
		}
		if r.Error != nil {
			line("error", r.Error.Detail)
			return nil
		}
		line("E.164", r.E164)
		line("national", r.National)
		line("extension", r.Extension)
		line("country", fmt.Sprintf("%s, +%d", r.Country, r.callingCode))
		line("type", string(r.Type))
		for _, channel := range providers.Channels() {
			allowed := r.Channels[channel]
			if allowed.Allowed {
				line(string(channel), "yes")
			} else {
				line(string(channel), "no: "+allowed.Reason)
			}
		}
		return nil
	}
}

// printable drops what a terminal would obey instead of show.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\u3000' {
			return r
		}
		return -1
	}, text)
}

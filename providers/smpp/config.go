package smpp

import (
	"crypto/tls"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"

	"denwa/providers"
)

// Encoding is how text is written.
type Encoding string

// The encodings.
const (
	// Auto is the GSM 7-bit alphabet where it has all characters, UCS-2 otherwise.
	Auto Encoding = "auto"
	// UCS2 is always UCS-2, for a centre whose default alphabet is another one.
	UCS2 Encoding = "ucs2"
)

// LongMessages is how the parts of a long message are marked.
type LongMessages string

// The marks.
const (
	// UDH is a header before the text, which the phone reads.
	UDH LongMessages = "udh"
	// SAR is the sar_* parameters, which the centre makes the header of.
	SAR LongMessages = "sar"
)

// ReceiptIDs is how a receipt's message id relates to the one that was given
// for the message.
type ReceiptIDs string

// The relations.
const (
	// AnyBase finds out: the same, or the same number in the other base.
	AnyBase ReceiptIDs = "auto"
	// SameBase is the same text.
	SameBase ReceiptIDs = "same"
	// Decimal in receipts, hexadecimal when the message is taken.
	Decimal ReceiptIDs = "decimal"
	// Hexadecimal in receipts, decimal when the message is taken.
	Hexadecimal ReceiptIDs = "hexadecimal"
)

// Config describes one account at one message centre (SMSC).
type Config struct {
	// Name is what the provider is called in routes, logs and metrics: lower-case letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
	// Address is the centre's host and port.
	Address string `yaml:"address"`
	// SystemID is the account's name at the centre, at most 15 characters.
	SystemID string `yaml:"system_id"`
	// Password of the account. SMPP 3.4 has room for 8 characters; what is longer is sent as it is.
	Password string `yaml:"password" secret:"true"`
	// SystemType that the centre asks for, at most 12 characters; usually empty.
	SystemType string `yaml:"system_type"`
	// ServiceType of messages, at most 5 characters; empty for the centre's default.
	ServiceType string `yaml:"service_type"`
	// Source is whom messages come from: a number in E.164, a short code, or a name of at most 11 characters.
	Source string `yaml:"source"`
	// SourceTON is the source's type of number, 0 to 6; -1 for what the source looks like: 1 for E.164, 5 for a name, 3 for a short code.
	SourceTON int `yaml:"source_ton"`
	// SourceNPI is the source's numbering plan, 0 to 18; -1 for what the source looks like: 1 for E.164, 0 for all else.
	SourceNPI int `yaml:"source_npi"`
	// DestTON is the type of the numbers that messages go to, 0 to 6.
	DestTON int `yaml:"dest_ton"`
	// DestNPI is the numbering plan of the numbers that messages go to, 0 to 18.
	DestNPI int `yaml:"dest_npi"`
	// Binds is how many connections there are to the centre.
	Binds int `yaml:"binds"`
	// Window is how many messages may wait for the centre's answer on each connection.
	Window int `yaml:"window"`
	// EnquireLink is how often the centre is asked whether it is still there.
	EnquireLink time.Duration `yaml:"enquire_link"`
	// ResponseTimeout is for how long the centre's answer is waited for.
	ResponseTimeout time.Duration `yaml:"response_timeout"`
	// Encoding of text: auto for the GSM alphabet where it has all characters and UCS-2 otherwise, or ucs2.
	Encoding Encoding `yaml:"encoding"`
	// LongMessages says how parts of a long message are marked: udh, a header in the text, or sar, parameters beside it.
	LongMessages LongMessages `yaml:"long_messages"`
	// ReceiptIDs says how receipts write message ids that the centre gave: same, decimal for ids given in hexadecimal,
	// hexadecimal for ids given in decimal, or auto, which finds out. Set it for a centre that counts from 1 in two bases.
	ReceiptIDs ReceiptIDs `yaml:"receipt_ids"`
	// ReceiptsWithin is for how long a message's id is remembered, so that its receipt is understood.
	ReceiptsWithin time.Duration `yaml:"receipts_within"`
	// TLS says whether and how connections are encrypted.
	TLS TLSConfig `yaml:"tls"`
}

// TLSConfig says whether and how connections are encrypted.
type TLSConfig struct {
	// Whether to use TLS. Without it the password and every code travel in the clear: use a private line then.
	Enabled       bool `yaml:"enabled"`
	providers.TLS `yaml:",inline"`
}

// DefaultConfig returns what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		SourceTON: -1, SourceNPI: -1,
		DestTON: tonInternational, DestNPI: npiISDN,
		Binds: 1, Window: 10,
		EnquireLink: 30 * time.Second, ResponseTimeout: 10 * time.Second,
		Encoding: Auto, LongMessages: UDH, ReceiptIDs: AnyBase, ReceiptsWithin: 24 * time.Hour,
	}
}

// Types of numbers and numbering plans (SMPP 3.4, 5.2.5 and 5.2.6).
const (
	tonInternational   = 1
	tonNetworkSpecific = 3
	tonAlphanumeric    = 5
	npiUnknown         = 0
	npiISDN            = 1

	maxTON, maxNPI = 6, 18
)

const maxBinds, maxWindow = 64, 1000

var (
	hostForm      = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.:-]*[0-9A-Za-z])?$`)
	e164Form      = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	shortCodeForm = regexp.MustCompile(`^[0-9]{3,20}$`)
	nameForm      = regexp.MustCompile(`^[!-~]([ -~]{0,9}[!-~])?$`)
	printable     = regexp.MustCompile(`^[ -~]*$`)
)

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
	if host, port, err := net.SplitHostPort(c.Address); err != nil || !hostForm.MatchString(host) || !validPort(port) {
		report("address", `must be a host and port, such as "smsc.example.jp:2775"`)
	}
	text(report, "system_id", c.SystemID, 1, 15)
	text(report, "password", c.Password, 0, 64)
	text(report, "system_type", c.SystemType, 0, 12)
	text(report, "service_type", c.ServiceType, 0, 5)
	if !e164Form.MatchString(c.Source) && !shortCodeForm.MatchString(c.Source) && !nameForm.MatchString(c.Source) {
		report("source", "must be a number in E.164 (+ and 7 to 15 digits), a short code of 3 to 20 digits, or a name of at most 11 characters")
	}
	between(report, "source_ton", c.SourceTON, -1, maxTON)
	between(report, "source_npi", c.SourceNPI, -1, maxNPI)
	between(report, "dest_ton", c.DestTON, 0, maxTON)
	between(report, "dest_npi", c.DestNPI, 0, maxNPI)
	between(report, "binds", c.Binds, 1, maxBinds)
	between(report, "window", c.Window, 1, maxWindow)
	if c.EnquireLink < time.Second || c.EnquireLink > 10*time.Minute {
		report("enquire_link", "must be between 1s and 10m")
	}
	if c.ResponseTimeout < 100*time.Millisecond || c.ResponseTimeout > time.Minute {
		report("response_timeout", "must be between 100ms and 1m")
	}
	if c.ReceiptsWithin < time.Minute || c.ReceiptsWithin > 7*24*time.Hour {
		report("receipts_within", "must be between 1m and 168h")
	}
	c.validateChoices(report)
}

func (c Config) validateChoices(report func(field, problem string)) {
	if c.Encoding != Auto && c.Encoding != UCS2 {
		report("encoding", "must be auto or ucs2")
	}
	if c.LongMessages != UDH && c.LongMessages != SAR {
		report("long_messages", "must be udh or sar")
	}
	switch c.ReceiptIDs {
	case AnyBase, SameBase, Decimal, Hexadecimal:
	default:
		report("receipt_ids", "must be auto, same, decimal or hexadecimal")
	}
	c.TLS.Validate(func(field, problem string) { report("tls."+field, problem) })
}

func text(report func(field, problem string), field, value string, least, most int) {
	if len(value) < least || len(value) > most || !printable.MatchString(value) {
		report(field, fmt.Sprintf("must be %d to %d characters of ASCII", least, most))
	}
}

func between(report func(field, problem string), field string, value, least, most int) {
	if value < least || value > most {
		report(field, fmt.Sprintf("must be between %d and %d", least, most))
	}
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// source is the address that messages come from.
func (c Config) source() address {
	a := address{ton: tonAlphanumeric, npi: npiUnknown, digits: c.Source}
	switch {
	case e164Form.MatchString(c.Source):
		a = address{ton: tonInternational, npi: npiISDN, digits: c.Source[1:]}
	case shortCodeForm.MatchString(c.Source):
		a.ton = tonNetworkSpecific
	}
	if c.SourceTON >= 0 {
		a.ton = byte(c.SourceTON) //nolint:gosec // G115: validated.
	}
	if c.SourceNPI >= 0 {
		a.npi = byte(c.SourceNPI) //nolint:gosec // G115: validated.
	}
	return a
}

// load is the configuration of the client's side; nil for none.
func (c TLSConfig) load(address string, seen *providers.Certificates) (*tls.Config, error) {
	if !c.Enabled {
		return nil, nil //nolint:nilnil // there is none
	}
	host, _, _ := net.SplitHostPort(address) // validated
	return c.Load(host, seen)
}

package gateway

import (
	"slices"
	"time"

	"denwa/ratelimit"
)

// FraudMode is what a start is worth to that looks like fraud.
type FraudMode string

// The modes of [Fraud].
const (
	FraudOff     FraudMode = "off"     // nothing is watched
	FraudRecord  FraudMode = "record"  // what would be refused is counted and logged, and goes on
	FraudEnforce FraudMode = "enforce" // it is refused
)

// FraudModes lists every mode.
func FraudModes() []FraudMode { return []FraudMode{FraudOff, FraudRecord, FraudEnforce} }

// Fraud is the guard against verifications that are started for the sake of their
// messages, which earn somebody money (SMS pumping). docs/fraud.md says how to use it.
type Fraud struct {
	// What is done about a start that looks like fraud: off, record or enforce. Begin with record.
	Mode FraudMode `yaml:"mode"`
	// Share of starts that is approved at least where nothing is wrong, more than 0 and at most 1. Each approval gives 1/conversion starts back to range and country.
	Conversion float64 `yaml:"conversion"`
	// Last digits in which the numbers of one range differ, 2 to 6: 4 makes ranges of ten thousand numbers.
	RangeDigits int `yaml:"range_digits"`
	// Starts by one app to one range of numbers, less what approvals gave back.
	Range ratelimit.Limit `yaml:"range"`
	// Starts by one app to one country other than its own (country), less what approvals gave back.
	Country ratelimit.Limit `yaml:"country"`
	// Starts by one app to one country other than its own, whatever became of them. Off by default.
	Budget ratelimit.Limit `yaml:"budget"`
}

func defaultFraud() Fraud {
	return Fraud{
		Mode: FraudRecord, Conversion: 0.3, RangeDigits: 4,
		Range:   ratelimit.Limit{Burst: 50, Count: 50, Period: time.Hour, OnError: ratelimit.Closed},
		Country: ratelimit.Limit{Burst: 300, Count: 300, Period: time.Hour, OnError: ratelimit.Closed},
		Budget:  ratelimit.Limit{Period: 24 * time.Hour, OnError: ratelimit.Closed},
	}
}

func (f Fraud) validate(report func(field, problem string)) {
	if !slices.Contains(FraudModes(), f.Mode) {
		report("mode", "must be off, record or enforce")
	}
	if !(f.Conversion >= 0.01 && f.Conversion <= 1) { // also for NaN
		report("conversion", "must be between 0.01 and 1")
	}
	between(report, "range_digits", f.RangeDigits, 2, 6)
	for _, rule := range FraudRules() {
		f.limit(rule).Validate(func(field, problem string) { report(string(rule)+"."+field, problem) })
	}
}

// FraudRule is a rule of [Fraud]: its key in the configuration, and a label of metrics.
type FraudRule string

// The rules.
const (
	FraudRange   FraudRule = "range"
	FraudCountry FraudRule = "country"
	FraudBudget  FraudRule = "budget"
)

// FraudRules lists every rule.
func FraudRules() []FraudRule { return []FraudRule{FraudRange, FraudCountry, FraudBudget} }

// fraudLimit begins the names that rules have as limits.
const fraudLimit = "fraud_"

// Limit is the rule's name as a limit, in errors.
func (r FraudRule) Limit() ratelimit.Name { return ratelimit.Name(fraudLimit + r) }

func (f Fraud) limit(r FraudRule) ratelimit.Limit {
	switch r {
	case FraudRange:
		return f.Range
	case FraudCountry:
		return f.Country
	case FraudBudget:
		return f.Budget
	}
	return ratelimit.Limit{}
}

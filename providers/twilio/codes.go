package twilio

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// failure is what one of Twilio's error codes means: for the next provider, and
// for the operator who reads the log.
type failure struct {
	kind providers.Kind
	what string
}

// failures holds Twilio's error codes that a message or a call can end with, after
// https://www.twilio.com/docs/api/errors. Twilio's own message is never shown:
// it quotes the number. A code that isn't here is judged by its HTTP status.
var failures = map[int]failure{
	// This number can't receive this, from anybody.
	13223: {providers.Invalid, "the number is not valid"},
	13224: {providers.Invalid, "the number is not valid, or no carrier reaches it"},
	21201: {providers.Invalid, "the number is missing"},
	21202: {providers.Invalid, "the number is a premium rate or emergency service"},
	21211: {providers.Invalid, "the number is not valid"},
	21214: {providers.Invalid, "the number can't be reached by this account"},
	21217: {providers.Invalid, "the number does not appear to be valid"},
	21265: {providers.Invalid, "the number is a short code"},
	21266: {providers.Invalid, "the number is the sender itself"},
	21268: {providers.Invalid, "the number is a premium rate or information service"},
	21610: {providers.Invalid, "the person has opted out of messages from this sender"},
	21614: {providers.Invalid, "the number is not a mobile number"},
	21635: {providers.Invalid, "the number is a landline"},
	30003: {providers.Invalid, "the handset is switched off or out of reach"},
	30004: {providers.Invalid, "the handset or its carrier blocks messages"},
	30005: {providers.Invalid, "the number is unknown or out of service"},
	30006: {providers.Invalid, "the number is a landline or its carrier can't be reached"},

	// Not by this route, sender or region: another provider may.
	13225: {providers.Unavailable, "the number is on Twilio's list of numbers that are not called"},
	13227: {providers.Unavailable, "the account is not allowed to call this region"},
	21205: {providers.Unavailable, "the callback address is refused: check public_url"},
	21210: {providers.Unavailable, "the configured caller is neither a number of the account nor verified"},
	21212: {providers.Unavailable, "the configured sender is not valid"},
	21213: {providers.Unavailable, "the caller is missing"},
	21215: {providers.Unavailable, "the account is not allowed to call this region"},
	21216: {providers.Unavailable, "the account is not allowed to call this number"},
	21219: {providers.Unavailable, "a trial account can call verified numbers only"},
	21267: {providers.Unavailable, "a trial account can't use a sender ID"},
	21408: {providers.Unavailable, "the account is not allowed to send to this region"},
	21603: {providers.Unavailable, "the sender is missing"},
	21606: {providers.Unavailable, "the configured sender can't send to this destination"},
	21608: {providers.Unavailable, "a trial account can send to verified numbers only"},
	21609: {providers.Unavailable, "the callback address is refused: check public_url"},
	21612: {providers.Unavailable, "there is no route from this sender to the number"},
	21659: {providers.Unavailable, "the configured sender is not a Twilio number, or a short code of another country"},
	21660: {providers.Unavailable, "the configured sender belongs to another account"},
	21661: {providers.Unavailable, "the configured sender can't send messages"},
	21701: {providers.Unavailable, "the messaging service does not exist"},
	21703: {providers.Unavailable, "the messaging service has no sender available"},
	21704: {providers.Unavailable, "the messaging service has no senders"},
	21705: {providers.Unavailable, "the messaging service is not valid"},
	30007: {providers.Unavailable, "the message was filtered by Twilio or the carrier"},
	30008: {providers.Unavailable, "the carrier gave no reason"},
	30032: {providers.Unavailable, "the toll-free sender is not verified"},
	30034: {providers.Unavailable, "the sender is not registered with the carriers"},
	30035: {providers.Unavailable, "the sender is still being set up"},
	30036: {providers.Unavailable, "the validity period ended in Twilio's queue"},

	// Slow down.
	10004: {providers.Throttled, "too many calls at once"},
	20429: {providers.Throttled, "too many requests at once"},
	21611: {providers.Throttled, "the sender's queue is full"},
	30001: {providers.Throttled, "the queue overflowed"},
	30022: {providers.Throttled, "the sender's carrier rate is exceeded"},
	30023: {providers.Throttled, "the brand's daily cap is reached"},
	63038: {providers.Throttled, "the account's daily limit is reached"},

	// This message, or suspected fraud: nobody should send it.
	21602: {providers.Rejected, "the message is empty"},
	21617: {providers.Rejected, "the message is longer than 1600 characters"},
	30450: {providers.Rejected, "suspected SMS pumping; the number is blocked for a while"},
	30453: {providers.Rejected, "suspected SMS pumping; the number is blocked for some hours"},
	60410: {providers.Rejected, "suspected fraud; the number's prefix is blocked for 12 hours"},

	// The account or its credentials: an operator has to act.
	10001: {providers.Auth, "the account is not active"},
	20003: {providers.Auth, "the credentials are refused"},
	20005: {providers.Auth, "the account is not active"},
	20006: {providers.Auth, "access is denied"},
	20008: {providers.Auth, "the credentials are test credentials"},
	20403: {providers.Auth, "access is forbidden"},
	20404: {providers.Auth, "the account does not exist"},
	30002: {providers.Auth, "the account is suspended"},
}

// validityEnded is the code of a message that waited in Twilio's queue for
// longer than its ValidityPeriod.
const validityEnded = 30036

// refused is the failure that an answer outside 2xx reports.
func refused(status, code int, wait time.Duration) *providers.Error {
	f, known := failures[code]
	if !known {
		f = failure{carrierhttp.StatusKind(status), "refused"}
	}
	if status == http.StatusTooManyRequests {
		f.kind = providers.Throttled // whatever the code: Twilio never processes such a request
	}
	return &providers.Error{
		Kind: f.kind, Code: codeText(code), RetryAfter: wait,
		Err: fmt.Errorf("twilio: %s (HTTP %d)", f.what, status),
	}
}

// failedAtOnce is the failure of a message or a call that was created in a failed state.
func failedAtOnce(code int) *providers.Error {
	f, known := failures[code]
	if !known {
		f = failure{providers.Unavailable, "it failed at once"} // Twilio won't send it, somebody else may
	}
	return &providers.Error{Kind: f.kind, Code: codeText(code), Err: fmt.Errorf("twilio: %s", f.what)}
}

func codeText(code int) string {
	if code == 0 {
		return ""
	}
	return strconv.Itoa(code)
}

// messageStatus maps Twilio's status of a message and its error code. ok is
// false for a status that isn't known, which is then taken for Accepted: no news.
func messageStatus(status string, code int) (_ providers.Status, ok bool) {
	switch status {
	case "accepted", "scheduled", "queued", "sending":
		return providers.Accepted, true
	case "sent", "partially_delivered": // some parts arrived; the rest may
		return providers.Sent, true
	case "delivered", "read":
		return providers.Delivered, true
	case "undelivered", "failed", "canceled":
		switch {
		case code == validityEnded:
			return providers.Expired, true
		case status == "undelivered":
			return providers.Undelivered, true
		default: // only a scheduled message can be canceled, so the carrier never had it
			return providers.Failed, true
		}
	default:
		return providers.Accepted, false
	}
}

// callStatus maps Twilio's status of a call, with the SIP status that the
// carrier answered and what machine detection said, if they are known. ok is
// false for a status that isn't known, which is then taken for Accepted: no news.
func callStatus(status, sip string, machine bool) (_ providers.Status, ok bool) {
	switch status {
	case "queued", "initiated":
		return providers.Accepted, true
	case "ringing":
		return providers.Ringing, true
	case "in-progress":
		return providers.Answered, true
	case "completed": // what the keys meant, if any were pressed, outranks it
		if machine {
			return providers.Machine, true
		}
		return providers.HungUp, true
	case "no-answer":
		return providers.NoAnswer, true
	case "busy", "failed":
		switch sip {
		case "603", "607", "608":
			return providers.Declined, true
		case "404", "410", "480", "484", "604":
			return providers.Unreachable, true
		}
		if status == "busy" {
			return providers.Busy, true
		}
		return providers.Failed, true
	case "canceled": // by the operator, in Twilio's console
		return providers.Failed, true
	default:
		return providers.Accepted, false
	}
}

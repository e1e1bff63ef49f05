package smpp

import (
	"fmt"

	"denwa/providers"
)

// failure is what one of the centre's statuses means: for the next provider,
// and for the operator who reads the log.
type failure struct {
	kind providers.Kind
	what string
}

// failures holds the statuses that a bind or a message can be refused with
// (SMPP 3.4, table 5-2). A refusal is an answer: nothing was sent. The centre's
// name for a status says whose fault it is, not always what it is.
var failures = map[status]failure{
	// This number can't receive this, from anybody.
	0x0B: {providers.Invalid, "the number is not valid (ESME_RINVDSTADR)"},

	// This message: nobody should send it.
	0x66: {providers.Rejected, "the message is rejected (ESME_RX_R_APPN)"},

	// Slow down.
	statusQueueFull: {providers.Throttled, "the queue is full (ESME_RMSGQFUL)"},
	statusThrottled: {providers.Throttled, "too many messages per second (ESME_RTHROTTLED)"},

	// The account or its credentials: an operator has to act.
	0x0D: {providers.Auth, "the bind failed (ESME_RBINDFAIL)"},
	0x0E: {providers.Auth, "the password is refused (ESME_RINVPASWD)"},
	0x0F: {providers.Auth, "the system_id is refused (ESME_RINVSYSID)"},
	0x53: {providers.Auth, "the system_type is refused (ESME_RINVSYSTYP)"},

	// Not by this centre, source or configuration: another provider may.
	0x01:           {providers.Unavailable, "the message's length is refused (ESME_RINVMSGLEN)"},
	0x02:           {providers.Unavailable, "the request's length is refused (ESME_RINVCMDLEN)"},
	0x03:           {providers.Unavailable, "the request is not known (ESME_RINVCMDID)"},
	statusNotBound: {providers.Unavailable, "the bind is not known (ESME_RINVBNDSTS)"},
	0x05:           {providers.Unavailable, "it is bound already, more often is not allowed (ESME_RALYBND)"},
	0x07:           {providers.Unavailable, "receipts are refused (ESME_RINVREGDLVFLG)"},
	0x08:           {providers.Unavailable, "a system error (ESME_RSYSERR)"},
	0x0A:           {providers.Unavailable, "the source is refused (ESME_RINVSRCADR)"},
	0x15:           {providers.Unavailable, "the service_type is refused (ESME_RINVSERTYP)"},
	0x43:           {providers.Unavailable, "the esm_class is refused (ESME_RINVESMCLASS)"},
	0x45:           {providers.Unavailable, "submitting failed (ESME_RSUBMITFAIL)"},
	0x48:           {providers.Unavailable, "the source_ton is refused (ESME_RINVSRCTON)"},
	0x49:           {providers.Unavailable, "the source_npi is refused (ESME_RINVSRCNPI)"},
	0x50:           {providers.Unavailable, "the dest_ton is refused (ESME_RINVDSTTON)"},
	0x51:           {providers.Unavailable, "the dest_npi is refused (ESME_RINVDSTNPI)"},
	0x62:           {providers.Unavailable, "the validity period is refused (ESME_RINVEXPIRY)"},
	0x64:           {providers.Unavailable, "the application can't now (ESME_RX_T_APPN)"},
	0x65:           {providers.Unavailable, "the application can't (ESME_RX_P_APPN)"},
	0xC0:           {providers.Unavailable, "optional parameters are refused (ESME_RINVOPTPARSTREAM)"},
	0xC1:           {providers.Unavailable, "an optional parameter is not allowed (ESME_ROPTPARNOTALLWD)"},
	0xC3:           {providers.Unavailable, "an optional parameter is missing (ESME_RMISSINGOPTPARAM)"},
	0xC4:           {providers.Unavailable, "an optional parameter's value is refused (ESME_RINVOPTPARAMVAL)"},
	0xFE:           {providers.Unavailable, "the delivery failed (ESME_RDELIVERYFAILURE)"},
	0xFF:           {providers.Unavailable, "an unknown error (ESME_RUNKNOWNERR)"},
}

// refused is the failure that an answer other than [statusOK] reports. Where the
// status is a vendor's own, or has no business here, nothing says that the
// number is at fault.
func refused(s status) *providers.Error {
	f, known := failures[s]
	if !known {
		f = failure{providers.Unavailable, "refused"}
	}
	return &providers.Error{
		Kind: f.kind, Code: fmt.Sprintf("0x%02X", uint32(s)),
		Err: fmt.Errorf("smpp: %s", f.what),
	}
}

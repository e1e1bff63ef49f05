package aws

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2/types"
	"github.com/aws/smithy-go"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

var (
	idForm   = regexp.MustCompile(`^[0-9A-Za-z-]{1,128}$`)
	codeForm = regexp.MustCompile(`^[A-Za-z_.]{1,100}$`)
)

// refused is the failure that an answer outside 2xx reports. AWS' own message is
// never shown: it may quote the number.
func refused(status int, err error, wait time.Duration) *providers.Error {
	kind, code := judge(err)
	if kind == "" {
		kind = carrierhttp.StatusKind(status)
	}
	if code == unknownError || !codeForm.MatchString(code) {
		code = ""
	}
	return &providers.Error{Kind: kind, Code: code, RetryAfter: wait, Err: fmt.Errorf("aws refused (HTTP %d)", status)}
}

// unknownError is the SDK's code of an answer that has none.
const unknownError = "UnknownError"

// judge returns what an error of the API means, and its reason where it gives
// one; kind is empty where the code says nothing.
// https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html#API_SendTextMessage_Errors.
func judge(err error) (kind providers.Kind, code string) {
	var (
		conflict   *types.ConflictException
		validation *types.ValidationException
		quota      *types.ServiceQuotaExceededException
		denied     *types.AccessDeniedException
		api        smithy.APIError
	)
	switch {
	case errors.As(err, &conflict):
		if conflict.Reason == types.ConflictExceptionReasonDestinationPhoneNumberOptedOut {
			return providers.Invalid, string(conflict.Reason)
		}
		return providers.Unavailable, reason(string(conflict.Reason), conflict)
	case errors.As(err, &validation):
		return validationKind(validation), reason(string(validation.Reason), validation)
	case errors.As(err, &quota):
		return providers.Throttled, reason(string(quota.Reason), quota)
	case errors.As(err, &denied):
		return providers.Auth, reason(string(denied.Reason), denied)
	case errors.As(err, &api):
		return codeKind(api.ErrorCode()), api.ErrorCode()
	}
	return "", ""
}

func reason(reason string, err smithy.APIError) string {
	if reason == "" {
		return err.ErrorCode()
	}
	return reason
}

// validationKind tells a number that can't be from all else in a request that
// AWS doesn't take, such as a sender that has no route to the country: another
// provider may have one.
func validationKind(e *types.ValidationException) providers.Kind {
	if slices.ContainsFunc(e.Fields, func(f types.ValidationExceptionField) bool {
		return aws.ToString(f.Name) == "DestinationPhoneNumber" || aws.ToString(f.Name) == "destinationPhoneNumber"
	}) {
		return providers.Invalid
	}
	return providers.Unavailable
}

// codeKind judges the codes that have no reason, also those that any AWS API may
// answer with (https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/CommonErrors.html).
func codeKind(code string) providers.Kind {
	switch code {
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded":
		return providers.Throttled
	case "ResourceNotFoundException", "ServiceUnavailable", "ServiceUnavailableException":
		return providers.Unavailable
	case "InternalServerException", "InternalFailure":
		return providers.Ambiguous // it may have been queued by then
	case "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "ExpiredToken",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired", "RequestExpired", "InvalidAccessKeyId":
		return providers.Auth
	}
	return ""
}

// eventStatus is what an event says of a message or a call; Accepted is no news.
// ok is false for one that isn't known.
// https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html.
func eventStatus(event string, final bool) (_ providers.Status, ok bool) {
	switch types.EventType(event) {
	case types.EventTypeTextQueued, types.EventTypeTextPending, types.EventTypeVoiceInitiated:
		return providers.Accepted, true
	case types.EventTypeTextSent:
		return providers.Sent, true
	case types.EventTypeTextSuccessful:
		// The carrier has it. Where carriers don't tell more, AWS uses it in place of delivered, as the last event.
		if final {
			return providers.Delivered, true
		}
		return providers.Sent, true
	case types.EventTypeTextDelivered, types.EventTypeVoiceCompleted:
		return providers.Delivered, true
	case types.EventTypeTextTtlExpired:
		return providers.Expired, true
	case types.EventTypeTextInvalid, types.EventTypeTextUnreachable, types.EventTypeTextCarrierUnreachable,
		types.EventTypeTextBlocked, types.EventTypeTextCarrierBlocked, types.EventTypeTextSpam, types.EventTypeTextUnknown:
		return providers.Undelivered, true
	case types.EventTypeTextInvalidMessage, types.EventTypeTextProtectBlocked,
		types.EventTypeVoiceFailed, types.EventTypeVoiceTtlExpired:
		return providers.Failed, true
	case types.EventTypeVoiceRinging:
		return providers.Ringing, true
	case types.EventTypeVoiceAnswered:
		return providers.Answered, true
	case types.EventTypeVoiceBusy:
		return providers.Busy, true
	case types.EventTypeVoiceNoAnswer:
		return providers.NoAnswer, true
	default:
		return providers.Accepted, false
	}
}

// eventCode is an event's type where it tells why, empty otherwise.
func eventCode(event string, status providers.Status) string {
	switch status {
	case providers.Undelivered, providers.Failed, providers.Expired:
		return event
	default:
		return ""
	}
}

// eventKind is why the phone didn't get it, where an event says that others
// couldn't do better.
func eventKind(event string) providers.Kind {
	switch types.EventType(event) {
	case types.EventTypeTextInvalid:
		return providers.Invalid
	case types.EventTypeTextProtectBlocked: // by the account's own rules
		return providers.Rejected
	default:
		return ""
	}
}

package smpp

import (
	"encoding/binary"
	"strconv"
	"strings"

	"denwa/providers"
)

// Kinds of deliver_sm by the bits 2 to 5 of its esm_class (SMPP 3.4, 5.2.12).
const (
	classKinds        byte = 0x3C
	classReceipt      byte = 0x04
	classIntermediate byte = 0x20
)

// receipt is what the centre says of a message.
type receipt struct {
	id     string
	status providers.Status // Accepted for no news
	code   string           // the network's error; empty for none
}

// isReceipt reports whether m is a receipt, and not a message from a phone,
// whose text anybody may have written. A receipt without the class is known by
// the parameter that names a message, which phones can't send.
func isReceipt(m *message) bool {
	kind := m.class & classKinds
	return kind == classReceipt || kind == classIntermediate || kind == 0 && m.optional(tagReceiptedMessageID) != nil
}

// readReceipt reads a receipt: its parameters, and where there are none, its
// text. ok is false if it names no message.
func readReceipt(m *message) (r receipt, ok bool) {
	text := m.shortMessage
	if len(text) == 0 {
		text = m.optional(tagMessagePayload)
	}
	r = parseReceipt(string(text))
	if id, _, _ := strings.Cut(string(m.optional(tagReceiptedMessageID)), "\x00"); id != "" {
		r.id = id
	}
	if state := m.optional(tagMessageState); len(state) == 1 {
		r.status = stateStatus(state[0])
	}
	if code := m.optional(tagNetworkErrorCode); len(code) == 3 && r.code == "" {
		r.code = errorCode(strconv.Itoa(int(binary.BigEndian.Uint16(code[1:]))))
	}
	if r.status == providers.Delivered {
		r.code = ""
	}
	return r, r.id != ""
}

// parseReceipt reads the text of a receipt (SMPP 3.4, appendix B):
//
//	id:… sub:… dlvrd:… submit date:… done date:… stat:DELIVRD err:000 text:…
//
// Centres differ in case, order and what they leave out. What follows text: is
// the message's own, and could say anything.
func parseReceipt(text string) receipt {
	r := receipt{status: providers.Accepted}
	for text != "" {
		var word string
		text = strings.TrimLeft(text, " \t\r\n\x00")
		end := strings.IndexAny(text, " \t\r\n\x00")
		if end < 0 {
			end = len(text)
		}
		word, text = text[:end], text[end:]
		name, value, _ := strings.Cut(word, ":")
		switch strings.ToLower(name) {
		case "text":
			return r
		case "id":
			r.id = value
		case "stat":
			r.status = wordStatus(value)
		case "err":
			r.code = errorCode(value)
		}
	}
	return r
}

// errorCode is an error as the centre wrote it, if it is one. It is short, so
// that it can't hold a number.
func errorCode(value string) string {
	if len(value) > 6 || strings.Trim(value, "0") == "" {
		return ""
	}
	for _, c := range []byte(value) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return ""
		}
	}
	return value
}

// stateStatus maps message_state (SMPP 3.4, 5.2.28).
func stateStatus(state byte) providers.Status {
	switch state {
	case 1, 6: // en route; accepted, which centres use for "the network has it"
		return providers.Sent
	case 2:
		return providers.Delivered
	case 3:
		return providers.Expired
	case 4, 5: // deleted, undeliverable
		return providers.Undelivered
	case 8: // rejected
		return providers.Failed
	default: // 7 is unknown, which says nothing
		return providers.Accepted
	}
}

// wordStatus maps stat: of a receipt's text (SMPP 3.4, appendix B), also where
// the word isn't cut to seven letters.
func wordStatus(word string) providers.Status {
	if len(word) < 5 {
		return providers.Accepted
	}
	switch strings.ToUpper(word[:5]) {
	case "ENROU", "ACCEP":
		return stateStatus(1)
	case "DELIV":
		return stateStatus(2)
	case "EXPIR":
		return stateStatus(3)
	case "DELET":
		return stateStatus(4)
	case "UNDEL":
		return stateStatus(5)
	case "REJEC":
		return stateStatus(8)
	default:
		return providers.Accepted
	}
}

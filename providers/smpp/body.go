package smpp

import (
	"encoding/binary"
	"strings"
)

// interfaceVersion is the version of SMPP that a bind says it speaks: 3.4.
const interfaceVersion = 0x34

// bind is the body of bind_transceiver (SMPP 3.4, 4.1.5).
type bind struct {
	systemID, password, systemType string
	version                        byte
	addresses                      address // that Denwa would serve; none are
}

// bound is the body of bind_transceiver_resp.
type bound struct {
	systemID string
	tlvs     []tlv
}

// address is a number or a name, and what kind of it (SMPP 3.4, 5.2.5 to 5.2.8).
type address struct {
	ton, npi byte
	digits   string
}

// message is the body of submit_sm and deliver_sm (SMPP 3.4, 4.4.1 and 4.6.1).
type message struct {
	serviceType  string
	from, to     address
	class        byte // esm_class
	protocol     byte
	priority     byte
	schedule     string
	validity     string
	registered   byte // registered_delivery
	replace      byte
	coding       byte // data_coding
	predefined   byte // sm_default_msg_id
	shortMessage []byte
	tlvs         []tlv
}

// taken is the body of submit_sm_resp and deliver_sm_resp.
type taken struct {
	messageID string
	tlvs      []tlv
}

// tag names an optional parameter (SMPP 3.4, 5.3.2).
type tag uint16

// The optional parameters that are used.
const (
	tagReceiptedMessageID tag = 0x001E
	tagSARReference       tag = 0x020C
	tagSARTotal           tag = 0x020E
	tagSARSequence        tag = 0x020F
	tagNetworkErrorCode   tag = 0x0423
	tagMessagePayload     tag = 0x0424
	tagMessageState       tag = 0x0427
)

// tlv is one optional parameter.
type tlv struct {
	tag   tag
	value []byte
}

// optional is the value of the first parameter t of m; nil if there is none.
func (m *message) optional(t tag) []byte {
	for _, v := range m.tlvs {
		if v.tag == t {
			return v.value
		}
	}
	return nil
}

func (x *bind) appendTo(b []byte) []byte {
	b = appendString(b, x.systemID)
	b = appendString(b, x.password)
	b = appendString(b, x.systemType)
	b = append(b, x.version)
	return appendAddress(b, x.addresses)
}

func (x *bound) appendTo(b []byte) []byte {
	return appendTLVs(appendString(b, x.systemID), x.tlvs)
}

func (m *message) appendTo(b []byte) []byte {
	b = appendString(b, m.serviceType)
	b = appendAddress(b, m.from)
	b = appendAddress(b, m.to)
	b = append(b, m.class, m.protocol, m.priority)
	b = appendString(b, m.schedule)
	b = appendString(b, m.validity)
	//nolint:gosec // G115: it came with such a length, or is a part of a message.
	b = append(b, m.registered, m.replace, m.coding, m.predefined, byte(len(m.shortMessage)))
	return appendTLVs(append(b, m.shortMessage...), m.tlvs)
}

func (x *taken) appendTo(b []byte) []byte {
	return appendTLVs(appendString(b, x.messageID), x.tlvs)
}

// appendString appends a C-octet string, which ends at its first NUL.
func appendString(b []byte, s string) []byte {
	s, _, _ = strings.Cut(s, "\x00")
	return append(append(b, s...), 0)
}

func appendAddress(b []byte, a address) []byte {
	return appendString(append(b, a.ton, a.npi), a.digits)
}

func appendTLVs(b []byte, tlvs []tlv) []byte {
	for _, v := range tlvs {
		b = binary.BigEndian.AppendUint16(b, uint16(v.tag))
		b = binary.BigEndian.AppendUint16(b, uint16(len(v.value))) //nolint:gosec // G115: a value came with such a length, or has two octets.
		b = append(b, v.value...)
	}
	return b
}

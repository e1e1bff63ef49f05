package smpp

import (
	"bytes"
	"encoding/binary"
)

// fields takes a body apart. The first field that isn't there sets err, and
// whatever is read after it is empty. Strings may be longer than the
// specification lets them be, because some centres' are; the PDU bounds them.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) bind() *bind {
	return &bind{
		systemID: f.text(), password: f.text(), systemType: f.text(),
		version: f.octet(), addresses: f.address(),
	}
}

func (f *fields) bound() *bound { return &bound{systemID: f.text(), tlvs: f.tlvs()} }

func (f *fields) message() *message {
	return &message{
		serviceType: f.text(), from: f.address(), to: f.address(),
		class: f.octet(), protocol: f.octet(), priority: f.octet(),
		schedule: f.text(), validity: f.text(),
		registered: f.octet(), replace: f.octet(), coding: f.octet(), predefined: f.octet(),
		shortMessage: f.octets(int(f.octet())), tlvs: f.tlvs(),
	}
}

// taken lets the id be left out, as some centres do.
func (f *fields) taken() *taken {
	if len(f.rest) == 0 {
		return &taken{}
	}
	return &taken{messageID: f.text(), tlvs: f.tlvs()}
}

// end says that there is nothing more.
func (f *fields) end() {
	if len(f.rest) > 0 {
		f.err = errBody
	}
}

func (f *fields) octets(n int) []byte {
	if f.err != nil || n > len(f.rest) {
		f.err = errBody
		return nil
	}
	if n == 0 {
		return nil
	}
	out := append([]byte(nil), f.rest[:n]...)
	f.rest = f.rest[n:]
	return out
}

func (f *fields) octet() byte {
	if f.err != nil || len(f.rest) == 0 {
		f.err = errBody
		return 0
	}
	b := f.rest[0]
	f.rest = f.rest[1:]
	return b
}

func (f *fields) text() string {
	n := bytes.IndexByte(f.rest, 0)
	if f.err != nil || n < 0 {
		f.err = errBody
		return ""
	}
	s := string(f.rest[:n])
	f.rest = f.rest[n+1:]
	return s
}

func (f *fields) address() address {
	return address{ton: f.octet(), npi: f.octet(), digits: f.text()}
}

// tlvs reads optional parameters to the end.
func (f *fields) tlvs() (all []tlv) {
	for f.err == nil && len(f.rest) > 0 {
		head := f.octets(4)
		if f.err != nil {
			return nil
		}
		all = append(all, tlv{
			tag:   tag(binary.BigEndian.Uint16(head)),
			value: f.octets(int(binary.BigEndian.Uint16(head[2:]))),
		})
	}
	return all
}

package sipcall

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// eventType is the payload type that is offered for telephone-event.
const eventType = 101

// peer is what the other side said in SDP of how it wants media. It doesn't change.
type peer struct {
	// addr is where it wants RTP; not valid while it wants none.
	addr netip.AddrPort
	law  law
	// event is its payload type of telephone-event; 0 when it knows none.
	event uint8
	// held is whether nobody listens: the call is on hold.
	held bool
	// silent is whether it said that it sends nothing.
	silent bool
}

// offer describes the media of Denwa: both laws, keys, one address.
func offer(addr netip.AddrPort, session, version uint64) []byte {
	return describe(addr, session, version, audio(addr.Port(), []law{muLaw, aLaw}, eventType, "sendrecv"))
}

// describe is a session with these media.
func describe(addr netip.AddrPort, session, version uint64, media ...*sdp.MediaDescription) []byte {
	kind := "IP4"
	if addr.Addr().Is6() {
		kind = "IP6"
	}
	d := sdp.SessionDescription{
		Origin: sdp.Origin{
			Username: "-", SessionID: session, SessionVersion: version,
			NetworkType: "IN", AddressType: kind, UnicastAddress: addr.Addr().String(),
		},
		SessionName:           "-",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: kind, Address: &sdp.Address{Address: addr.Addr().String()}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
		MediaDescriptions:     media,
	}
	text, err := d.Marshal()
	if err != nil {
		panic(err) // it can't fail: nothing of it is outside input
	}
	return text
}

func audio(port uint16, laws []law, event uint8, direction string) *sdp.MediaDescription {
	m := &sdp.MediaDescription{MediaName: sdp.MediaName{
		Media: "audio", Port: sdp.RangedPort{Value: int(port)}, Protos: []string{"RTP", "AVP"},
	}}
	for _, l := range laws {
		m.WithCodec(uint8(l), map[law]string{muLaw: "PCMU", aLaw: "PCMA"}[l], sampleRate, 0, "")
	}
	if event != 0 {
		m.WithCodec(event, "telephone-event", sampleRate, 0, "0-15")
	}
	return m.WithValueAttribute("ptime", "20").WithPropertyAttribute(direction)
}

// parse reads what the other side wants, from an answer or an offer. The index
// is that of its audio among its media.
func parse(body []byte) (p peer, index int, d *sdp.SessionDescription, err error) {
	d = &sdp.SessionDescription{}
	if err := d.Unmarshal(body); err != nil {
		return peer{}, 0, nil, errors.New("its session description can't be read")
	}
	for i, m := range d.MediaDescriptions {
		if m.MediaName.Media != "audio" || m.MediaName.Port.Value == 0 || strings.Join(m.MediaName.Protos, "/") != "RTP/AVP" {
			continue
		}
		if p, err = parseAudio(d, m); err == nil {
			return p, i, d, nil
		}
	}
	if err == nil {
		err = errors.New("it takes no audio by RTP/AVP")
	}
	return peer{}, 0, nil, err
}

func parseAudio(d *sdp.SessionDescription, m *sdp.MediaDescription) (peer, error) {
	p := peer{}
	known := false
	for _, format := range m.MediaName.Formats {
		if l, err := strconv.ParseUint(format, 10, 8); err == nil && (law(l) == muLaw || law(l) == aLaw) {
			p.law, known = law(l), true
			break
		}
	}
	if !known {
		return peer{}, errors.New("it takes neither PCMU nor PCMA")
	}
	for _, a := range m.Attributes {
		number, name, _ := strings.Cut(a.Value, " ")
		if a.Key != "rtpmap" || !strings.EqualFold(name, "telephone-event/8000") && !strings.EqualFold(name, "telephone-event/8000/1") {
			continue
		}
		if event, err := strconv.ParseUint(number, 10, 8); err == nil && event >= 96 && event < 128 {
			p.event = uint8(event)
			break
		}
	}
	c := m.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	if c == nil || c.Address == nil {
		return peer{}, errors.New("it names no address for media")
	}
	addr, err := netip.ParseAddr(c.Address.Address)
	port := m.MediaName.Port.Value
	if err != nil || addr.IsMulticast() || port < 1 || port > 65535 {
		return peer{}, fmt.Errorf("it wants media at no usable address")
	}
	direction := directionOf(d, m)
	p.held = addr.IsUnspecified() || direction == "sendonly" || direction == "inactive"
	p.silent = addr.IsUnspecified() || direction == "recvonly" || direction == "inactive"
	if !addr.IsUnspecified() {
		p.addr = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	}
	return p, nil
}

// directionOf is the direction of m, or of the whole session, from the other
// side's view.
func directionOf(d *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range attributes {
			switch a.Key {
			case "sendrecv", "sendonly", "recvonly", "inactive":
				return a.Key
			}
		}
	}
	return "sendrecv"
}

// answer describes what Denwa does for an offer that was parsed to p: the same
// media in the same order, all but one refused.
func answer(addr netip.AddrPort, session, version uint64, p peer, index int, offered *sdp.SessionDescription) []byte {
	direction := map[string]string{"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "sendrecv": "sendrecv"}[directionOf(offered, offered.MediaDescriptions[index])]
	media := make([]*sdp.MediaDescription, len(offered.MediaDescriptions))
	for i, m := range offered.MediaDescriptions {
		if i == index {
			media[i] = audio(addr.Port(), []law{p.law}, p.event, direction)
			continue
		}
		refused := &sdp.MediaDescription{MediaName: m.MediaName}
		refused.MediaName.Port = sdp.RangedPort{}
		media[i] = refused
	}
	return describe(addr, session, version, media...)
}

package smpp

import (
	"encoding/binary"
	"unicode/utf16"
)

// Codings of text, data_coding (SMPP 3.4, 5.2.19).
const (
	codingDefault byte = 0x00 // the centre's default alphabet: GSM 7-bit, one septet in each octet
	codingUCS2    byte = 0x08
)

// What fits into one SMS of 140 octets, alone and as a part of a longer one,
// where the header that joins the parts takes six octets (3GPP TS 23.040).
const (
	gsmAlone, gsmPart = 160, 153       // septets
	ucsAlone, ucsPart = 2 * 70, 2 * 67 // octets
)

// gsmAlphabet is the GSM 7-bit default alphabet in its order, and gsmExtension what
// follows an escape, each before the septet that stands for it (3GPP TS 23.038, 6.2.1).
const (
	gsmAlphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f\n^Λ{(})\\/[<~=]>|¡€e"

	gsmEscape = 0x1b
)

// alphabet writes characters in one coding.
type alphabet struct {
	coding      byte
	alone, part int
	// add appends a character's octets to b; none where it isn't there.
	add func(b []byte, r rune) []byte
}

// gsm is the GSM 7-bit default alphabet with its extension table.
func gsm() alphabet {
	table := map[rune][]byte{}
	position := byte(0)
	for _, r := range gsmAlphabet {
		if r != gsmEscape {
			table[r] = []byte{position}
		}
		position++
	}
	extension := []rune(gsmExtension)
	for i := 0; i < len(extension); i += 2 {
		table[extension[i]] = []byte{gsmEscape, table[extension[i+1]][0]}
	}
	return alphabet{codingDefault, gsmAlone, gsmPart, func(b []byte, r rune) []byte { return append(b, table[r]...) }}
}

// ucs2 is UTF-16 with the higher octet first: what is beyond UCS-2, such as
// emoji, is sent as surrogates, which phones understand.
func ucs2() alphabet {
	return alphabet{codingUCS2, ucsAlone, ucsPart, func(b []byte, r rune) []byte {
		var units [2]uint16
		for _, unit := range utf16.AppendRune(units[:0], r) {
			b = binary.BigEndian.AppendUint16(b, unit)
		}
		return b
	}}
}

// split writes text in parts that each fit into one SMS. A character is never
// cut in two. ok is false where a character isn't in the alphabet.
func (a alphabet) split(text string) (parts [][]byte, ok bool) {
	whole := make([]byte, 0, 2*len(text))
	begin := 0
	for _, r := range text {
		end := len(whole)
		whole = a.add(whole, r)
		switch {
		case len(whole) == end:
			return nil, false
		case len(whole)-begin > a.part:
			parts = append(parts, whole[begin:end:end])
			begin = end
		}
	}
	if len(whole) <= a.alone {
		return [][]byte{whole}, true
	}
	return append(parts, whole[begin:]), true
}

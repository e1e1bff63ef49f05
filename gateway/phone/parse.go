package phone

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// maxDigits is the most digits of a number with its country code.
const maxDigits = 17

// Options say how a text is to be read. The zero value reads a Japanese form.
type Options struct {
	// Region is the country of a number without a country code, as ISO 3166-1
	// alpha-2 in either case; empty is JP.
	Region string
	// Extension comes from a field of its own; empty is none.
	Extension string
	// AllowExtension reads an extension that is in the text: "内線 123",
	// "ext. 5", ";ext=5". Without it such a text is refused.
	AllowExtension bool
}

// Parse reads text as one phone number. Its error is always an [*Error].
//
// What it returns reads back as itself: Parse of E164 with the same Extension
// gives an equal Number. An emergency number has no E164 and is returned all the
// same, so that whoever shows it can say what it is.
func Parse(text string, o Options) (Number, error) {
	n, err := parse(text, o)
	if err != nil {
		return Number{}, err // not n, err: a nil *Error is not a nil error
	}
	return n, nil
}

func parse(text string, o Options) (Number, *Error) {
	region, ok := regionOf(o.Region)
	if !ok {
		return Number{}, refuse(UnknownRegion)
	}
	var buf [maxTyped]byte
	t, err := read(text, region, buf[:0])
	if err != nil {
		return Number{}, err
	}
	if t.extension != "" && !o.AllowExtension {
		return Number{}, refuse(ExtensionNotAllowed)
	}
	if o.Extension != "" {
		if err := t.setExtension(o.Extension); err != nil {
			return Number{}, err
		}
	}
	n, err := t.number(region)
	if err != nil {
		return Number{}, err
	}
	n.Extension = t.extension
	return n, nil
}

// number finds the number in its country's plan.
func (t *typed) number(region string) (Number, *Error) {
	if t.plus { // "+0081 90…" and "+010 81 90…": no country code begins with 0
		t.digits = bytes.TrimPrefix(t.digits, []byte("010"))
		t.digits = bytes.TrimPrefix(t.digits, []byte("00"))
	} else if region == japan {
		if err := t.stripJapanesePrefixes(); err != nil {
			return Number{}, err
		}
	}
	if len(t.digits) > maxDigits {
		return Number{}, refuse(TooLong)
	}
	if nsn, ok := japaneseMobile(t.digits, t.plus, region); ok {
		return newJapaneseMobile(nsn), nil
	}

	digits := string(t.digits)
	if t.plus {
		n, err := look("+"+digits, region)
		if err != nil && t.carrier {
			err = refuse(CarrierPrefix)
		}
		return n, err
	}
	if n, ok := emergency(digits, region); ok {
		return n, nil
	}
	n, err := look(digits, region)
	if err != nil && len(digits) > 2 && digits[:2] == "00" {
		// 00 isn't this country's international prefix, but people carry it
		// over from one where it is.
		if abroad, e := look("+"+digits[2:], region); e == nil {
			return abroad, nil
		}
	}
	return n, err
}

// look asks the library. digits are ASCII, with a plus before a country code.
func look(digits, region string) (Number, *Error) {
	p, err := phonenumbers.Parse(digits, region)
	if err != nil {
		return Number{}, refuse(reasonOf(err))
	}
	nsn := phonenumbers.GetNationalSignificantNumber(p)
	country := phonenumbers.GetRegionCodeForNumber(p)
	code := int(p.GetCountryCode())
	if country == japan && strings.HasPrefix(nsn, "00") {
		// 0037 and the like are toll-free to the library, which writes them as
		// +810037…, and no phone can dial that.
		return Number{}, refuse(CarrierPrefix)
	}
	t := typeOf(phonenumbers.GetNumberType(p))
	if t == Unknown || country == "" {
		return Number{}, refuse(reasonInvalid(p, digits, region))
	}
	e164 := "+" + strconv.Itoa(code) + nsn
	return Number{
		E164:        e164,
		National:    phonenumbers.Format(p, phonenumbers.NATIONAL),
		Masked:      Mask(e164, code),
		Country:     country,
		Type:        t,
		CallingCode: code,
	}, nil
}

// emergency recognizes an emergency number of region.
func emergency(digits, region string) (Number, bool) {
	if len(digits) > 6 || !phonenumbers.IsEmergencyNumber(digits, region) && (region != japan || !japaneseEmergency(digits)) {
		return Number{}, false
	}
	code := phonenumbers.GetCountryCodeForRegion(region)
	return Number{
		National:    digits,
		Masked:      Mask("+"+strconv.Itoa(code)+digits, code),
		Country:     region,
		Type:        Emergency,
		CallingCode: code,
	}, true
}

// reasonOf translates the library's errors.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode):
		return UnknownCountry
	case errors.Is(err, phonenumbers.ErrTooShortNSN), errors.Is(err, phonenumbers.ErrTooShortAfterIDD):
		return TooShort
	case errors.Is(err, phonenumbers.ErrNumTooLong):
		return TooLong
	}
	return TooShort // a single digit, to the library not a number: the rest was checked
}

// reasonInvalid says what is wrong with a number that the library can read and
// that is in no country's plan.
func reasonInvalid(p *phonenumbers.PhoneNumber, digits, region string) Reason {
	if digits[0] != '+' && (phonenumbers.IsValidShortNumberForRegion(p, region) || region == japan && japaneseService(digits)) {
		return ShortNumber
	}
	if p.GetCountryCode() == japanCode {
		return japaneseReason(phonenumbers.GetNationalSignificantNumber(p))
	}
	switch phonenumbers.IsPossibleNumberWithReason(p) {
	case phonenumbers.INVALID_COUNTRY_CODE:
		return UnknownCountry
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return TooShort
	case phonenumbers.TOO_LONG:
		return TooLong
	case phonenumbers.IS_POSSIBLE, phonenumbers.INVALID_LENGTH:
	}
	return NoSuchNumber
}

func typeOf(t phonenumbers.PhoneNumberType) Type {
	switch t {
	case phonenumbers.MOBILE:
		return Mobile
	case phonenumbers.FIXED_LINE:
		return FixedLine
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return FixedLineOrMobile
	case phonenumbers.VOIP:
		return VoIP
	case phonenumbers.TOLL_FREE:
		return TollFree
	case phonenumbers.PREMIUM_RATE:
		return PremiumRate
	case phonenumbers.SHARED_COST:
		return SharedCost
	case phonenumbers.PERSONAL_NUMBER:
		return PersonalNumber
	case phonenumbers.PAGER:
		return Pager
	case phonenumbers.UAN:
		return UAN
	case phonenumbers.VOICEMAIL:
		return Voicemail
	case phonenumbers.UNKNOWN:
	}
	return Unknown
}

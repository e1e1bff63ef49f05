package phone

// Reason is the stable name of why a text isn't a phone number.
type Reason string

// The reasons.
const (
	// Empty: there is nothing to read.
	Empty Reason = "empty"
	// NotANumber: it holds something that no phone number has.
	NotANumber Reason = "not_a_number"
	// Letters: it spells a word, or a letter stands for a digit.
	Letters Reason = "letters"
	// SeveralNumbers: there is more than one number in it.
	SeveralNumbers Reason = "several_numbers"
	// TooShort: digits are missing, or the area code is.
	TooShort Reason = "too_short"
	// TooLong: it has more digits than such a number can have.
	TooLong Reason = "too_long"
	// NoSuchNumber: it has the right length, and no number of its country
	// begins like this.
	NoSuchNumber Reason = "no_such_number"
	// ShortNumber: it is a service that is dialed within a country only.
	ShortNumber Reason = "short_number"
	// CarrierPrefix: it begins with the prefix of a Japanese long-distance
	// carrier, such as 0033 or 0037.
	CarrierPrefix Reason = "carrier_prefix"
	// UnknownCountry: no country has this calling code.
	UnknownCountry Reason = "unknown_country"
	// UnknownRegion: Options.Region is not a country. The fault is the
	// caller's, not the person's.
	UnknownRegion Reason = "unknown_region"
	// ExtensionNotAllowed: the text has an extension and Options don't allow one.
	ExtensionNotAllowed Reason = "extension_not_allowed"
	// BadExtension: the extension isn't 1 to MaxExtension digits, or there are
	// two different ones.
	BadExtension Reason = "bad_extension"
)

// Error says why a text isn't a phone number.
type Error struct {
	Reason Reason
	// Message is a sentence or two for the person who typed it. It never holds
	// what was typed.
	Message string
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// refuse makes the error for a reason.
func refuse(r Reason) *Error {
	switch r {
	case Empty:
		return &Error{r, "Enter a phone number."}
	case NotANumber:
		return &Error{r, "This is not a phone number. Use digits, and + before a country code."}
	case Letters:
		return &Error{r, "A phone number has no letters. Enter it in digits."}
	case SeveralNumbers:
		return &Error{r, "There is more than one number here. Enter one."}
	case TooShort:
		return &Error{r, "This number is too short. Enter all of it, with the area code."}
	case TooLong:
		return &Error{r, "This is too long for one phone number. Enter one number, without anything after it."}
	case NoSuchNumber:
		return &Error{r, "There is no such number in this country. Check the digits; begin with + and the country code for another country."}
	case ShortNumber:
		return &Error{r, "This is the short number of a service, not a person's phone."}
	case CarrierPrefix:
		return &Error{r, "This begins with a carrier's prefix. Leave the prefix out; begin with + and the country code for another country."}
	case UnknownCountry:
		return &Error{r, "No country has this country code. Check the digits after the +."}
	case UnknownRegion:
		return &Error{r, "The country must be an ISO 3166-1 alpha-2 code, such as JP."}
	case ExtensionNotAllowed:
		return &Error{r, "There is an extension after this number. Enter the number without it."}
	case BadExtension:
		return &Error{r, "An extension is one to ten digits. Enter it once."}
	}
	return &Error{r, "This is not a phone number."}
}

package entra

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"denwa/gateway"
)

// maxJWE bounds the encrypted part, in characters.
const maxJWE = 16_384

// delivery is the encrypted part of a request: all that is private in it.
type delivery struct {
	// nonce goes back to the caller, as the proof that we could read this.
	nonce     string
	number    string
	extension string
	// message holds the code and goes to the phone unchanged.
	message string
	// speech is what a call says, if that isn't message.
	speech string
	locale string
}

// unknownKeyError says that a request was encrypted to a key that the app doesn't have.
type unknownKeyError struct{ kid string }

func (*unknownKeyError) Error() string { return "encrypted to a key that isn't configured" }

var errJWE = errors.New("can't be decrypted")

// decrypt opens a compact JWE with the key that its header names. Nothing of it
// is decoded before its length and shape are known to be right, and its
// algorithms are those of the contract or it isn't opened.
func decrypt(compact string, keys map[string]*rsa.PrivateKey) (plain []byte, kid string, err error) {
	if len(compact) > maxJWE {
		return nil, "", errJWE
	}
	segments := strings.Split(compact, ".")
	if len(segments) != 5 {
		return nil, "", errJWE
	}
	for _, s := range segments {
		if s == "" {
			return nil, "", errJWE
		}
	}
	jwe, err := jose.ParseEncryptedCompact(compact,
		[]jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, "", errJWE
	}
	// A compressed text could be of any size once it is opened.
	if _, compressed := jwe.Header.ExtraHeaders["zip"]; compressed {
		return nil, "", errJWE
	}
	kid = gateway.EntraKeyName(jwe.Header.KeyID)
	key, known := keys[kid]
	if !known {
		return nil, "", &unknownKeyError{jwe.Header.KeyID}
	}
	if plain, err = jwe.Decrypt(key); err != nil {
		return nil, "", errJWE
	}
	return plain, kid, nil
}

// parseDelivery reads what was encrypted. ok is false if it isn't JSON at all,
// complete if what a delivery needs is there.
func parseDelivery(plain []byte) (d delivery, ok, complete bool) {
	if !json.Valid(plain) {
		return d, false, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(plain, &fields) != nil {
		return d, true, false
	}
	d = delivery{
		nonce: text(fields["nonce"]), number: international(text(fields["phoneNumber"])), message: text(fields["message"]),
		extension: strings.TrimSpace(text(fields["extension"])), locale: text(fields["locale"]),
		// It was an object once, in pieces of which no source tells the meaning;
		// the message says the same.
		speech: text(fields["textToVoice"]),
	}
	for _, required := range []string{d.nonce, d.number, d.message} {
		if strings.TrimSpace(required) == "" {
			return d, true, false
		}
	}
	return d, true, true
}

// international is a number with the + that it may lack: the contract asks for
// E.164, in which no number begins with 0.
func international(number string) string {
	number = strings.TrimSpace(number)
	if number != "" && number[0] >= '1' && number[0] <= '9' {
		return "+" + number
	}
	return number
}

// words are what goes to the phone by channel.
func (d delivery) words(channel gateway.Channel) string {
	if channel == gateway.Voice && strings.TrimSpace(d.speech) != "" {
		return d.speech
	}
	return d.message
}

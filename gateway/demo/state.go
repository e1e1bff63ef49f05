package demo

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// stateLife is how long a registration may take.
const stateLife = time.Hour

// state is what the portal knows of one registration.
type state struct {
	Session string `json:"session"`
	URL     string `json:"url"`
	Name    string `json:"name"`
	Until   int64  `json:"until"` // Unix seconds
}

// states keeps a state in a cookie that only this portal can read or make.
type states struct{ seal cipher.AEAD }

// newStates derives its key from the API key, so that all instances have the same.
func newStates(apiKey string) (states, error) {
	key, err := hkdf.Key(sha256.New, []byte(apiKey), nil, "denwa demo portal state", 32)
	if err != nil {
		return states{}, fmt.Errorf("derive the demo portal's key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return states{}, fmt.Errorf("make the demo portal's cipher: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return states{}, fmt.Errorf("make the demo portal's cipher: %w", err)
	}
	return states{seal}, nil
}

const stateCookie = "demo_state"

func (s states) set(w http.ResponseWriter, secure bool, st state) {
	plain, err := json.Marshal(st)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	sealed := s.seal.Seal(nil, nil, plain, []byte(stateCookie)) //nolint:gosec // G407: this AEAD draws its nonce itself.
	http.SetCookie(w, s.cookie(stateCookie, base64.RawURLEncoding.EncodeToString(sealed), secure))
}

// get returns the state of the browser's registration, unless it is too old or
// not of this portal's making.
func (s states) get(r *http.Request) (st state, ok bool) {
	c, err := r.Cookie(stateCookie)
	if err != nil {
		return state{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return state{}, false
	}
	plain, err := s.seal.Open(nil, nil, sealed, []byte(stateCookie))
	if err != nil || json.Unmarshal(plain, &st) != nil || time.Now().Unix() > st.Until {
		return state{}, false
	}
	return st, true
}

// cookie is one that no script reads and no other site sends.
func (states) cookie(name, value string, secure bool) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // G124: Secure unless the operator's public URL isn't https.
		Name: name, Value: value, Path: "/demo/", MaxAge: int(stateLife.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}

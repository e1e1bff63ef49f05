package gateway

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// HookType is the login service that a hook speaks with.
type HookType string

// The login services. docs/integrations has a page for each.
const (
	HookSupabase  HookType = "supabase"
	HookKratos    HookType = "kratos"
	HookZitadel   HookType = "zitadel"
	HookLogto     HookType = "logto"
	HookAuthentik HookType = "authentik"
	HookOkta      HookType = "okta"
	HookKeycloak  HookType = "keycloak"
)

// HookTypes lists every login service.
func HookTypes() []HookType {
	return []HookType{HookSupabase, HookKratos, HookZitadel, HookLogto, HookAuthentik, HookOkta, HookKeycloak}
}

// Hook lets a login service have its codes delivered by an app, at
// POST /hooks/{app}/{type}. An app may have several of one type: a request may
// be by any of them, so that a secret can be changed without a gap.
type Hook struct {
	// Login service that calls.
	Type HookType `yaml:"type"`
	// What its requests are signed with (supabase, zitadel), or carry in a header. At least 16 characters.
	Secret string `yaml:"secret" secret:"true"`
	// Header that carries the secret; empty takes Authorization. Not with a signature.
	Header string `yaml:"header"`
	// User name of Basic authentication, instead of a secret.
	Username string `yaml:"username"`
	// Password of Basic authentication. At least 16 characters.
	Password string `yaml:"password" secret:"true"`
	// How long the service's codes are valid, where its requests don't say; empty takes defaults.expires_in. The message states it.
	ValidFor time.Duration `yaml:"valid_for"`
	// Names of the fields that carry the message, for keycloak.
	Fields HookFields `yaml:"fields"`
}

// HookFields are field names, as the login service is configured to send them.
type HookFields struct {
	// Field with the phone number; empty takes to.
	Number string `yaml:"number"`
	// Field with the message; empty takes text.
	Message string `yaml:"message"`
	// Field with an id of the message, if one is sent.
	ID string `yaml:"id"`
	// Field with the secret, if it isn't in a header.
	Secret string `yaml:"secret"`
}

// minHookSecret is the least length of a secret or password, in characters.
const minHookSecret = 16

// The length of a key in bytes: Supabase takes 32 to 88 characters of base64
// (supabase/auth, internal/conf).
const (
	minHookKey = 24
	maxHookKey = 66
)

// Key is what a Supabase hook signs with; ok is false for a secret that isn't
// "v1,whsec_" and base64.
func (h Hook) Key() (key []byte, ok bool) {
	text, found := strings.CutPrefix(strings.TrimPrefix(h.Secret, "v1,"), WebhookSecretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	return key, found && err == nil && len(key) >= minHookKey && len(key) <= maxHookKey
}

// Signed reports whether requests are signed, so that a secret is all there is.
func (t HookType) Signed() bool { return t == HookSupabase || t == HookZitadel }

// Validate reports every mistake in h.
func (h Hook) Validate(report func(field, problem string)) {
	if !slices.Contains(HookTypes(), h.Type) {
		report("type", "must say which login service calls")
		return
	}
	h.validateCredentials(report)
	if h.ValidFor != 0 && (h.ValidFor < time.Second || h.ValidFor > MaxValidFor) {
		report("valid_for", "must be between 1s and "+MaxValidFor.String())
	}
	if h.Type != HookKeycloak && h.Fields != (HookFields{}) {
		report("fields", "can be named for keycloak only")
	}
	if h.Fields.Secret != "" && (h.Header != "" || h.Username != "") {
		report("fields.secret", "has no effect with a header or a username")
	}
}

func (h Hook) validateCredentials(report func(field, problem string)) {
	basic := h.Username != "" || h.Password != ""
	switch {
	case h.Type.Signed() && basic:
		report("username", "has no effect: "+string(h.Type)+" signs its requests")
	case h.Secret != "" && basic:
		report("secret", "can't be used together with username and password")
	case basic && h.Username == "":
		report("username", "is missing beside password")
	}
	if h.Header != "" && (h.Type.Signed() || basic) {
		report("header", "has no effect without a secret in a header")
	}
	if h.Type == HookSupabase {
		if _, ok := h.Key(); !ok {
			report("secret", `must be as Supabase shows it: "v1,whsec_" and base64`)
		}
		return
	}
	if basic && len(h.Password) < minHookSecret {
		report("password", "must have at least 16 characters")
	}
	if !basic && len(h.Secret) < minHookSecret {
		report("secret", "must have at least 16 characters")
	}
}

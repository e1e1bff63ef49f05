package httpapi

import (
	"encoding/json"

	"denwa/gateway"
)

// Render returns v as the API shows it, for whoever else shows verifications.
func Render(v *gateway.Verification) (json.RawMessage, error) { return json.Marshal(verificationOf(v)) }

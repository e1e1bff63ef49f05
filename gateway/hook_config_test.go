package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHookValidate(t *testing.T) {
	const secret, signing = "a secret for tests", "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, c := range []struct {
		name string
		hook Hook
		want string // the fields at fault
	}{
		{"Supabase", Hook{Type: HookSupabase, Secret: signing}, ""},
		{"Supabase, without v1", Hook{Type: HookSupabase, Secret: signing[3:], ValidFor: time.Minute}, ""},
		{"Zitadel", Hook{Type: HookZitadel, Secret: secret}, ""},
		{"Okta", Hook{Type: HookOkta, Secret: secret, Header: "X-Secret"}, ""},
		{"Kratos", Hook{Type: HookKratos, Username: "kratos", Password: secret}, ""},
		{"Keycloak", Hook{Type: HookKeycloak, Secret: secret, Fields: HookFields{Number: "n", Secret: "s"}}, ""},
		{"none", Hook{}, "type"},
		{"unknown", Hook{Type: "auth0", Secret: secret}, "type"},
		{"no secret", Hook{Type: HookLogto}, "secret"},
		{"short secret", Hook{Type: HookLogto, Secret: secret[:15]}, "secret"},
		{"short password", Hook{Type: HookKratos, Username: "kratos", Password: secret[:15]}, "password"},
		{"no password", Hook{Type: HookKratos, Username: "kratos"}, "password"},
		{"no user", Hook{Type: HookKratos, Password: secret}, "username"},
		{"both", Hook{Type: HookKratos, Secret: secret, Username: "kratos", Password: secret}, "secret"},
		{"Supabase, not base64", Hook{Type: HookSupabase, Secret: "v1,whsec_***"}, "secret"},
		{"Supabase, too short", Hook{Type: HookSupabase, Secret: "v1,whsec_c2hvcnQ="}, "secret"},
		{"Supabase, another form", Hook{Type: HookSupabase, Secret: secret}, "secret"},
		{"signed, with a user", Hook{Type: HookZitadel, Secret: secret, Username: "u", Password: secret}, "username"},
		{"signed, with a header", Hook{Type: HookZitadel, Secret: secret, Header: "X"}, "header"},
		{"Basic, with a header", Hook{Type: HookKratos, Username: "u", Password: secret, Header: "X"}, "header"},
		{"fields of another", Hook{Type: HookLogto, Secret: secret, Fields: HookFields{Number: "n"}}, "fields"},
		{"secret in two places", Hook{Type: HookKeycloak, Secret: secret, Header: "X", Fields: HookFields{Secret: "s"}}, "fields.secret"},
		{"for ever", Hook{Type: HookLogto, Secret: secret, ValidFor: 2 * time.Hour}, "valid_for"},
	} {
		var fields []string
		c.hook.Validate(func(field, problem string) {
			fields = append(fields, field)
			if strings.Contains(problem, secret[:15]) {
				t.Errorf("%s: the secret is in %q", c.name, problem)
			}
		})
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

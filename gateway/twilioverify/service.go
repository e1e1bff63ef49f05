package twilioverify

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// service is Twilio's resource: the app, as far as it shows there. Configuration
// has no dates.
type service struct {
	SID                            string            `json:"sid"`
	AccountSID                     string            `json:"account_sid"`
	FriendlyName                   string            `json:"friendly_name"`
	CodeLength                     int               `json:"code_length"`
	LookupEnabled                  bool              `json:"lookup_enabled"`
	PSD2Enabled                    bool              `json:"psd2_enabled"`
	SkipSMSToLandlines             bool              `json:"skip_sms_to_landlines"`
	DTMFInputRequired              bool              `json:"dtmf_input_required"`
	TTSName                        *string           `json:"tts_name"`
	DoNotShareWarningEnabled       bool              `json:"do_not_share_warning_enabled"`
	CustomCodeEnabled              bool              `json:"custom_code_enabled"`
	Push                           struct{}          `json:"push"`
	TOTP                           struct{}          `json:"totp"`
	DefaultTemplateSID             *string           `json:"default_template_sid"`
	WhatsApp                       struct{}          `json:"whatsapp"`
	Passkeys                       struct{}          `json:"passkeys"`
	VerifyEventSubscriptionEnabled bool              `json:"verify_event_subscription_enabled"`
	DateCreated                    *string           `json:"date_created"`
	DateUpdated                    *string           `json:"date_updated"`
	URL                            string            `json:"url"`
	Links                          map[string]string `json:"links"`
}

func (s *server) serviceBody(c *call) service {
	at := s.url(c, "/v2/Services/"+c.app.Twilio.ServiceSID)
	return service{
		SID: c.app.Twilio.ServiceSID, AccountSID: c.app.Twilio.AccountSID, FriendlyName: c.app.Brand,
		CodeLength: s.verifier.Policy().Defaults.CodeLength, SkipSMSToLandlines: true, CustomCodeEnabled: true,
		URL:   at,
		Links: map[string]string{"verifications": at + "/Verifications", "verification_checks": at + "/VerificationCheck"},
	}
}

func (s *server) fetchService(c *call) error { return c.JSON(http.StatusOK, s.serviceBody(c)) }

// listServices lists the one that there is.
func (s *server) listServices(c *call) error {
	size, err := pageSize(c.QueryParams())
	if err != nil {
		return err
	}
	at := s.url(c, "/v2/Services?PageSize="+strconv.Itoa(size)+"&Page=0")
	return c.JSON(http.StatusOK, map[string]any{
		"services": []service{s.serviceBody(c)},
		"meta":     meta{PageSize: size, FirstPageURL: at, URL: at, Key: "services"},
	})
}

func (s *server) createService(c *call) error { return s.agree(c, http.StatusCreated) }
func (s *server) updateService(c *call) error { return s.agree(c, http.StatusOK) }

// agree answers a request to create or change a service. Services are
// configuration, so it agrees to what holds already and to nothing else: a
// program that sets up what it needs goes on, and none is told that something
// changed that didn't.
func (s *server) agree(c *call, status int) error {
	f, err := form(c)
	if err != nil {
		return err
	}
	if status == http.StatusCreated && f.Get("FriendlyName") == "" {
		return refuse(invalidParameter, "`FriendlyName` is required")
	}
	body := s.serviceBody(c)
	holds := map[string]string{
		"FriendlyName": body.FriendlyName, "CodeLength": strconv.Itoa(body.CodeLength),
		"LookupEnabled": "false", "Psd2Enabled": "false", "SkipSmsToLandlines": "true", "DtmfInputRequired": "false",
		"DoNotShareWarningEnabled": "false", "CustomCodeEnabled": "true", "VerifyEventSubscriptionEnabled": "false",
	}
	if name, ok := firstDifferent(f, holds); !ok {
		return refuse(accessDenied, "services are set up in Denwa's configuration, where `%s` is different", known(name))
	}
	return c.JSON(status, body)
}

// firstDifferent is the first parameter, by name, that asks for something else.
func firstDifferent(f url.Values, holds map[string]string) (name string, same bool) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if is, known := holds[name]; f.Get(name) != "" && (!known || !strings.EqualFold(is, f.Get(name)) || name == "FriendlyName" && is != f.Get(name)) {
			return name, false
		}
	}
	return "", true
}

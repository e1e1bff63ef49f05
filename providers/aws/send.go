package aws

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2/types"

	"denwa/ivr"
	"denwa/providers"
)

// What the API takes as the time that a message is worth sending.
const (
	minValidity = 5 * time.Second
	maxValidity = 72 * time.Hour
)

// deliveryKey is the key of a delivery's name in a message's context, which AWS
// hands back with each event. So no message id has to be remembered.
const deliveryKey = "delivery"

var (
	errListens   = &providers.Error{Kind: providers.Unavailable, Unfit: true, Err: errors.New("aws reads codes and messages out, and listens to no keys")}
	errExtension = &providers.Error{Kind: providers.Unavailable, Unfit: true, Err: errors.New("aws dials no extension")}
	errLong      = &providers.Error{Kind: providers.Unavailable, Unfit: true, Err: errors.New("the message is longer than aws reads out")}
)

// SendMessage makes one SendTextMessage request.
func (p *Provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	in := &pinpointsmsvoicev2.SendTextMessageInput{
		DestinationPhoneNumber: aws.String(msg.To),
		OriginationIdentity:    aws.String(p.cfg.SMS.Origination),
		MessageBody:            aws.String(strings.TrimSpace(msg.Text)), // what begins or ends with a space is refused
		MessageType:            types.MessageTypeTransactional,
		TimeToLive:             seconds(msg.ValidFor),
		Context:                map[string]string{deliveryKey: msg.Delivery},
		ConfigurationSetName:   optional(p.cfg.ConfigurationSet),
		ProtectConfigurationId: optional(p.cfg.ProtectConfiguration),
		MaxPrice:               optional(p.cfg.SMS.MaxPrice),
	}
	return p.call(ctx, func(ctx context.Context, c *pinpointsmsvoicev2.Client) (*string, error) {
		out, err := c.SendTextMessage(ctx, in)
		if err != nil {
			return nil, err
		}
		return out.MessageId, nil
	})
}

// PlaceCall makes one SendVoiceMessage request, for a call that asks for
// nothing. Any other is [providers.Unavailable], and so goes to the next
// provider.
func (p *Provider) PlaceCall(ctx context.Context, c providers.Call) (providers.Acceptance, error) {
	switch {
	case c.Script.Mode != ivr.ModeCode && c.Script.Mode != ivr.ModeMessage:
		return providers.Acceptance{}, errListens
	case c.Extension != "":
		return providers.Acceptance{}, errExtension
	}
	text := speech(c.Script)
	if len([]rune(text)) > maxSpeech {
		return providers.Acceptance{}, errLong
	}
	in := &pinpointsmsvoicev2.SendVoiceMessageInput{
		DestinationPhoneNumber: aws.String(c.To),
		OriginationIdentity:    aws.String(p.cfg.Voice.Origination),
		MessageBody:            aws.String(text),
		MessageBodyTextType:    types.VoiceMessageBodyTextTypeSsml,
		VoiceId:                p.cfg.Voice.voice(c.Script.Locale),
		TimeToLive:             seconds(c.ValidFor),
		Context:                map[string]string{deliveryKey: c.Delivery},
		ConfigurationSetName:   optional(p.cfg.ConfigurationSet),
		ProtectConfigurationId: optional(p.cfg.ProtectConfiguration),
		MaxPricePerMinute:      optional(p.cfg.Voice.MaxPrice),
	}
	return p.call(ctx, func(ctx context.Context, c *pinpointsmsvoicev2.Client) (*string, error) {
		out, err := c.SendVoiceMessage(ctx, in)
		if err != nil {
			return nil, err
		}
		return out.MessageId, nil
	})
}

// seconds is d in whole seconds, rounded up, within what the API takes.
func seconds(d time.Duration) *int32 {
	d = min(max(d, minValidity), maxValidity)
	return aws.Int32(int32((d + time.Second - 1) / time.Second)) //nolint:gosec // G115: at most 259200.
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}

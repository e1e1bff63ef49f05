package config

import (
	"reflect"

	"denwa/gateway"
	"denwa/gateway/phone"
	"denwa/gateway/redisstore"
	"denwa/providers"
	"denwa/providers/http"
	"denwa/providers/sip"
	"denwa/providers/smpp"
	"denwa/ratelimit"
)

// enumOf lists the values that a text of type t may have; nil for any. Named
// text types are finite: a test compares this with their constants.
func enumOf(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[providers.Channel]():
		return texts(providers.Channels())
	case reflect.TypeFor[providers.Then]():
		return texts(providers.Thens())
	case reflect.TypeFor[providers.NumberType]():
		return texts(phone.Types()) // who reads numbers knows which there are
	case reflect.TypeFor[gateway.HookType]():
		return texts(gateway.HookTypes())
	case reflect.TypeFor[gateway.FraudMode]():
		return texts(gateway.FraudModes())
	case reflect.TypeFor[ratelimit.OnError]():
		return texts([]ratelimit.OnError{ratelimit.Closed, ratelimit.Open})
	case reflect.TypeFor[smpp.Encoding]():
		return texts([]smpp.Encoding{smpp.Auto, smpp.UCS2})
	case reflect.TypeFor[smpp.LongMessages]():
		return texts([]smpp.LongMessages{smpp.UDH, smpp.SAR})
	case reflect.TypeFor[smpp.ReceiptIDs]():
		return texts([]smpp.ReceiptIDs{smpp.AnyBase, smpp.SameBase, smpp.Decimal, smpp.Hexadecimal})
	case reflect.TypeFor[http.Method]():
		return texts([]http.Method{http.MethodPost, http.MethodPut})
	case reflect.TypeFor[http.Meaning]():
		return texts([]http.Meaning{
			http.MeansAccepted, http.MeansInvalid, http.MeansRejected, http.MeansThrottled, http.MeansUnavailable,
			http.MeansAuth, http.MeansAmbiguous,
		})
	case reflect.TypeFor[http.Reason]():
		return texts([]http.Reason{http.ReasonInvalid, http.ReasonRejected, http.ReasonUnavailable})
	case reflect.TypeFor[http.Format]():
		return texts([]http.Format{http.JSON, http.Form, http.Query})
	case reflect.TypeFor[http.Encoding]():
		return texts([]http.Encoding{http.Hex, http.Base64})
	case reflect.TypeFor[sip.Transport]():
		return texts([]sip.Transport{sip.UDP, sip.TCP, sip.TLS})
	case reflect.TypeFor[redisstore.Type]():
		return texts([]redisstore.Type{redisstore.TypeRedis, redisstore.TypeEmbedded})
	case reflect.TypeFor[LogLevel]():
		return texts([]LogLevel{LogDebug, LogInfo, LogWarn, LogError})
	case reflect.TypeFor[LogFormat]():
		return texts([]LogFormat{LogJSON, LogText})
	case reflect.TypeFor[ProviderType]():
		var names []string
		for _, p := range providerTypes() {
			names = append(names, string(p.name))
		}
		return names
	}
	return nil
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

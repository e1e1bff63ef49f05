package config

import "reflect"

// NeedsRestart names the sections of the file, as server or providers, in which
// next differs from c and which a running gateway doesn't take over: all but those
// of the gateway itself (apps, defaults, limits, fraud, messages). Nil if there is none.
func (c *Config) NeedsRestart(next *Config) (sections []string) {
	was, is := reflect.ValueOf(*c), reflect.ValueOf(*next)
	for i := range was.NumField() {
		name := was.Type().Field(i).Tag.Get("yaml")
		if name == ",inline" {
			continue
		}
		//nolint:forbidigo // not of secrets' values alone, and nobody outside times it.
		if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			sections = append(sections, name)
		}
	}
	return sections
}

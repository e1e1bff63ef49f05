package config

import (
	"io"
	"log/slog"
	"slices"
)

// Log is how the gateway logs to its standard error.
type Log struct {
	// Least important level that is logged.
	Level LogLevel `yaml:"level"`
	// Form of a line: json for machines, text for people.
	Format LogFormat `yaml:"format"`
}

// LogLevel is the importance of a line.
type LogLevel string

// The levels.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// LogFormat is the form of a line.
type LogFormat string

// The formats.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// DefaultLog is what holds where the operator says nothing.
func DefaultLog() Log { return Log{Level: LogInfo, Format: LogJSON} }

// Validate reports every mistake in l.
func (l Log) Validate(report func(field, problem string)) {
	if levels := []LogLevel{LogDebug, LogInfo, LogWarn, LogError}; !slices.Contains(levels, l.Level) {
		report("level", "must be "+oneOf(texts(levels)))
	}
	if formats := []LogFormat{LogJSON, LogText}; !slices.Contains(formats, l.Format) {
		report("format", "must be "+oneOf(texts(formats)))
	}
}

// Level implements [slog.Leveler].
func (l LogLevel) Level() slog.Level {
	switch l {
	case LogDebug:
		return slog.LevelDebug
	case LogWarn:
		return slog.LevelWarn
	case LogError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// Handler returns a handler that writes to w as l says.
func (l Log) Handler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.Format == LogText {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

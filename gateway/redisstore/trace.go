package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"denwa/ratelimit"
)

// traceHook makes a span of each round trip to Redis that belongs to a recorded
// trace; what the gateway does by itself, such as polling, belongs to none. A
// span names the command and the script, never a key or an argument.
type traceHook struct{ scripts map[string]string } // names by hash

func newTraceHook() traceHook {
	h := traceHook{ratelimit.Scripts()}
	for o, s := range scripts {
		h.scripts[s.Hash()] = string(o)
	}
	return h
}

// DialHook implements [redis.Hook].
func (traceHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements [redis.Hook].
func (h traceHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		parent := trace.SpanFromContext(ctx)
		if !parent.IsRecording() {
			return next(ctx, cmd)
		}
		ctx, span := h.begin(ctx, parent, cmd.FullName(), cmd)
		err := next(ctx, cmd)
		end(span, err)
		return err
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (h traceHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		parent := trace.SpanFromContext(ctx)
		if !parent.IsRecording() || len(cmds) == 0 {
			return next(ctx, cmds)
		}
		ctx, span := h.begin(ctx, parent, "PIPELINE "+cmds[0].FullName(), cmds[0]) // one of a kind
		span.SetAttributes(semconv.DBOperationBatchSize(len(cmds)))
		err := next(ctx, cmds)
		end(span, err)
		return err
	}
}

// begin begins a span, named as the semantic conventions of databases say:
// "EVALSHA check".
func (h traceHook) begin(ctx context.Context, parent trace.Span, operation string, cmd redis.Cmder) (context.Context, trace.Span) {
	operation = strings.ToUpper(operation)
	name, attributes := operation, []attribute.KeyValue{semconv.DBSystemNameRedis, semconv.DBOperationName(operation)}
	if script := h.script(cmd); script != "" {
		name += " " + script
		attributes = append(attributes, semconv.DBStoredProcedureName(script))
	}
	return parent.TracerProvider().Tracer("denwa/redis").Start(ctx, name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
}

// script is the name of the script that cmd runs, "" if it runs none.
func (h traceHook) script(cmd redis.Cmder) string {
	args := cmd.Args()
	if len(args) < 2 {
		return ""
	}
	text, _ := args[1].(string)
	switch cmd.Name() {
	case "evalsha":
		return h.scripts[text]
	case "eval": // once, after Redis lost it
		return h.scripts[redis.NewScript(text).Hash()]
	}
	return ""
}

// end ends a span. A script that a server doesn't know yet is no failure: it is
// sent next.
func end(span trace.Span, err error) {
	if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	}
	span.End()
}

// errorType says what err is without what it says: the first word of what Redis
// answered, such as OOM, or the type of anything else.
func errorType(err error) string {
	var answer redis.Error
	if errors.As(err, &answer) {
		word, _, _ := strings.Cut(answer.Error(), " ")
		return word
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"denwa/ratelimit/redistest"
)

// TestSpansNameScripts also shows that neither a key nor an argument is told.
func TestSpansNameScripts(t *testing.T) {
	c := DefaultConfig()
	c.Addresses = []string{redistest.Start(t).Addr()}
	client, closer, err := Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	recorder := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)).Tracer("test")
	ctx, parent := tracer.Start(t.Context(), "parent")

	client.Ping(t.Context()) // in no trace; and the connection is there
	const secret = "+819012345678"
	load := func(ctx context.Context) error {
		return scripts[opLoad].Run(ctx, client, []string{secret}, 0, secret).Err()
	}
	if err := load(ctx); err != nil {
		t.Fatal(err)
	}
	_ = load(ctx)
	client.Set(ctx, secret, secret, 0)
	_ = scripts[opLoad].Run(ctx, client, []string{secret}, 0, secret).Err() // WRONGTYPE
	client.Get(ctx, "nothing")
	_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZCard(ctx, "a")
		p.ZCard(ctx, "b")
		return nil
	})
	parent.End()
	client.Get(ctx, "after the end")

	var got []string
	for _, s := range recorder.Ended() {
		if s.Parent().SpanID() != parent.SpanContext().SpanID() {
			continue
		}
		line := s.Name()
		for _, a := range s.Attributes() {
			line += fmt.Sprint(" ", a.Key, "=", a.Value.String())
		}
		if s.Status().Code == codes.Error {
			line += " failed"
		}
		got = append(got, line)
		if text := fmt.Sprint(s.Attributes(), s.Events(), s.Status()); strings.Contains(text, secret) {
			t.Errorf("a span holds an argument: %s", text)
		}
	}
	const script = " db.system.name=redis db.operation.name=%s db.stored_procedure.name=load"
	if want := []string{
		"EVALSHA load" + fmt.Sprintf(script, "EVALSHA"), "EVAL load" + fmt.Sprintf(script, "EVAL"), "EVALSHA load" + fmt.Sprintf(script, "EVALSHA"),
		"SET db.system.name=redis db.operation.name=SET",
		"EVALSHA load" + fmt.Sprintf(script, "EVALSHA") + " error.type=WRONGTYPE failed",
		"GET db.system.name=redis db.operation.name=GET",
		"PIPELINE ZCARD db.system.name=redis db.operation.name=PIPELINE ZCARD db.operation.batch.size=2",
	}; !slices.Equal(got, want) {
		t.Errorf("spans\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNoTraceCostsNothing: without a trace that is recorded, a command costs no
// allocation more.
func TestNoTraceCostsNothing(t *testing.T) {
	hook := newTraceHook()
	ctx, cmd := context.WithValue(t.Context(), "a", "b"), redis.NewStringCmd(t.Context(), "get", "a") //nolint:staticcheck,revive // any key will do.
	process := hook.ProcessHook(func(context.Context, redis.Cmder) error { return nil })
	pipeline := hook.ProcessPipelineHook(func(context.Context, []redis.Cmder) error { return nil })
	cmds := []redis.Cmder{cmd}
	if n := testing.AllocsPerRun(100, func() { _, _ = process(ctx, cmd), pipeline(ctx, cmds) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestErrorType(t *testing.T) {
	for want, err := range map[string]error{
		"timeout":             fmt.Errorf("read: %w", context.DeadlineExceeded),
		"*errors.errorString": errors.New("+819012345678"),
	} {
		if got := errorType(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

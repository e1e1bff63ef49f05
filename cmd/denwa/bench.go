package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// What a bench does at most. It shares a machine with others.
const (
	maxBenchTime        = time.Hour
	maxBenchRate        = 50_000
	maxBenchConnections = 500
	maxBenchPrepared    = 200_000
)

// What a bench measures.
const (
	workStart = "start"
	workCheck = "check"
	workBoth  = "start+check"
)

type benchOptions struct {
	server, key, redis string
	allowRemote        bool
	work               string
	load
	json bool
}

func newBenchCommand() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a gateway can do",
		Long: `Starts verifications and checks their codes for a while, and prints how many and
how fast: throughput, latency percentiles and what failed. Progress goes to the
standard error.

With --rate requests are sent at that rate whether or not the gateway keeps up
(open loop), and one that has to wait for a free connection counts its wait.
Without it each of --connections sends its next request when it has the answer
to the last (closed loop), which shows the most that goes through, and latency
only under that load.

The gateway is one of its own, in this process, with a store in memory or, with
--redis, on that Redis, which should hold nothing else. It shares the processors
with the load. --server measures another one. Each verification is of another
Japanese mobile number, and nothing is ever sent to it: a gateway is refused
unless all its carriers are sandboxes. What is not on this machine is refused
without --allow-remote.

Exits 0 if every request was answered well, 1 if some weren't, 2 if it couldn't
run, 4 if its Redis can't be reached, 130 after Ctrl-C, which ends it early with
what was measured so far.`,
		Example: `  denwa bench
  denwa bench --rate 500 --duration 30s
  denwa bench --redis 127.0.0.1:6379 --work check --connections 16
  denwa bench --server http://127.0.0.1:8080 --json > bench.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return bench(c, o) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.work, "work", workBoth, "what to measure: start, check or start+check")
	f.Float64Var(&o.rate, "rate", 0, "so many a second, in an open loop (default: as fast as it goes)")
	f.IntVar(&o.connections, "connections", 64, "how many requests may be under way at once")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "how long to measure")
	f.DurationVar(&o.warmUp, "warm-up", time.Second, "how long to run before that")
	f.StringVar(&o.redis, "redis", "", "host:port of a Redis for the gateway of its own; DENWA_STORE_… say more")
	f.StringVar(&o.server, "server", "", "gateway to measure instead")
	f.StringVar(&o.key, "key", "", "API key at that gateway (default DENWA_API_KEY, else the playground's)")
	f.BoolVar(&o.allowRemote, "allow-remote", false, "the server or Redis is on another machine, and may be loaded")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	completeValues(c, "work", workStart, workCheck, workBoth)
	return c
}

// validate returns a usage error for what can't be run.
func (o benchOptions) validate(c *cobra.Command) error {
	wrong := func(format string, args ...any) error { return errUsage(c, fmt.Errorf(format, args...)) }
	if err := oneOf(c, "work", cmp.Or(o.work, "?"), workStart, workCheck, workBoth); err != nil {
		return err
	}
	switch {
	case o.server != "" && o.redis != "":
		return wrong("--redis is for a gateway of bench's own; leave it or --server out")
	case o.connections < 1 || o.connections > maxBenchConnections:
		return wrong("--connections takes 1 to %d", maxBenchConnections)
	case !(o.rate == 0 && !c.Flags().Changed("rate") || o.rate >= 0.1 && o.rate <= maxBenchRate): //nolint:staticcheck // QF1001: NaN is in no range.
		return wrong("--rate takes 0.1 to %d", maxBenchRate)
	case o.duration < 100*time.Millisecond || o.duration > maxBenchTime:
		return wrong("--duration takes 100ms to %s", maxBenchTime)
	case o.warmUp < 0 || o.warmUp > maxBenchTime:
		return wrong("--warm-up takes 0 to %s", maxBenchTime)
	case o.work == workCheck && o.scheduled() > maxBenchPrepared:
		return wrong("so many checks need %d verifications beforehand, and %d is the most: lower --rate or --duration", o.scheduled(), maxBenchPrepared)
	}
	return nil
}

func bench(c *cobra.Command, o benchOptions) (err error) {
	if err := o.validate(c); err != nil {
		return err
	}
	// The first Ctrl-C ends the measurement, a second one kills.
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	target, err := openTarget(ctx, c, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	b := newBencher(target, o.work, newNumbers())
	if err := b.try(ctx); err != nil {
		return fmt.Errorf("the first verification failed: %w", err)
	}

	show := newProgress(c.ErrOrStderr(), o.load)
	show.line(fmt.Sprintf("%s, %s, on %s", o.work, o.load, target.name))
	if o.work == workCheck {
		if err := b.prepare(ctx, o.load, show); err != nil {
			return err
		}
	}
	o.most = b.most()
	result := b.measure(ctx, o.load, show)
	if b.stray != nil {
		return b.stray
	}
	report := newBenchReport(o, target, result)
	if err := report.print(c.OutOrStdout(), o.json); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return exitQuietly(exitInterrupted)
	case len(report.Failures) > 0:
		return exitQuietly(exitNo)
	}
	return nil
}

// String says how the load is made, such as "500 a second for 10s".
func (l load) String() string {
	if l.rate > 0 {
		return fmt.Sprintf("%s a second for %s, on up to %d connections", strings.TrimSuffix(fmt.Sprintf("%.1f", l.rate), ".0"), l.duration, l.connections)
	}
	return fmt.Sprintf("on %d connections for %s", l.connections, l.duration)
}

//go:build unix

package sipcall

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"denwa/ivr"
)

// BenchmarkCalls is what calls cost that are under way at once, with their
// timers and goroutines, and with the phones that send as much as they get.
func BenchmarkCalls(b *testing.B) {
	const calls = 200
	ctx, stop := context.WithCancelCause(b.Context())
	var group sync.WaitGroup
	prompts := shippedPrompts(b)
	for range calls {
		m := openMedia(b)
		phone, err := net.ListenUDP("udp", &net.UDPAddr{IP: loopback.AsSlice()})
		if err != nil {
			b.Fatal(err)
		}
		addr := phone.LocalAddr().(*net.UDPAddr).AddrPort()
		if err := m.Answer(describe(addr, 1, 1, audio(addr.Port(), []law{aLaw}, eventType, "sendrecv"))); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { phone.Close() })
		go func() {
			buffer := make([]byte, 2048)
			for {
				n, from, err := phone.ReadFromUDPAddrPort(buffer)
				if err != nil {
					return
				}
				_, _ = phone.WriteToUDPAddrPort(buffer[:n], from)
			}
		}()
		group.Go(func() {
			call := Call{Script: confirm, Prompts: prompts, Outcome: func(ivr.Outcome) {}}
			for ctx.Err() == nil {
				_ = m.Play(ctx, call)
			}
		})
	}
	before := cpuTime(b)
	for b.Loop() {
		time.Sleep(time.Second)
	}
	spent := cpuTime(b) - before
	stop(errors.New("enough"))
	group.Wait()
	b.ReportMetric(calls*float64(b.Elapsed())/float64(spent), "calls/core")
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

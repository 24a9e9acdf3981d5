package bus_test

import (
	"context"
	"fmt"
	"testing"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

func stores(b *testing.B, bench func(b *testing.B, store string)) {
	for _, store := range []string{"memory", "file"} {
		b.Run(store, func(b *testing.B) { bench(b, store) })
	}
}

// BenchmarkBoot is a server from nothing to its first client: streams and
// buckets made, port open, connection accepted, and all of it gone again.
func BenchmarkBoot(b *testing.B) {
	stores(b, func(b *testing.B, store string) {
		for b.Loop() {
			s := start(b, store, events.Procd)
			c, err := bus.Connect(b.Context(), s.options(events.Procd))
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			c.Close()
			s.down()
			b.StartTimer()
		}
	})
}

// BenchmarkDown is the end of a server with a few followers.
func BenchmarkDown(b *testing.B) {
	stores(b, func(b *testing.B, store string) {
		for b.Loop() {
			b.StopTimer()
			s := start(b, store, events.Procd)
			c := s.connect(events.Procd)
			put(b, s.connect(events.Busd), 10)
			for range 5 {
				follow(b, c, bus.Follow{}).want("1-10")
			}
			b.StartTimer()
			s.down()
		}
	})
}

// BenchmarkFacts is a burst of 1,000 facts of 20 entities until all are
// acknowledged.
func BenchmarkFacts(b *testing.B) {
	stores(b, func(b *testing.B, store string) {
		s := start(b, store, events.Procd)
		p := s.publisher(s.connect(events.Procd), events.Procd)
		for b.Loop() {
			for i := range 1000 {
				p.State(events.Entity(fmt.Sprint("s", i%20)), events.ServiceStopped{Reason: "x"}, "")
			}
			flush(b, p)
		}
	})
}

// BenchmarkRoundTrip is from stating a fact to seeing it in a view.
func BenchmarkRoundTrip(b *testing.B) {
	stores(b, func(b *testing.B, store string) {
		s := start(b, store, events.Procd)
		p := s.publisher(s.connect(events.Procd), events.Procd)
		w := follow(b, s.connect(events.Operator), bus.Follow{})
		for n := 1; b.Loop(); n++ {
			p.State("alpha", events.ServiceStopped{}, "")
			w.want(fmt.Sprint(n))
		}
	})
}

// BenchmarkReplay is reading 10,000 facts.
func BenchmarkReplay(b *testing.B) {
	stores(b, func(b *testing.B, store string) {
		s := start(b, store)
		root := s.connect(events.Busd)
		put(b, root, 10_000)
		for b.Loop() {
			n := 0
			for _, err := range root.Events().Read(context.Background(), 0) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 10_000 {
				b.Fatalf("read %d", n)
			}
		}
	})
}

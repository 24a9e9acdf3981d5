package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// Lines come in the order in which they were written, whichever connection they
// take, and more than are on their way at once.
func TestLines(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	first := b.Connect(events.Procd)
	own := make(chan *bus.Conn)
	l := &lines{node: testbus.Node, bus: first, log: slog.New(slog.DiscardHandler), open: opened(), begun: make(chan struct{}), dial: func(ctx context.Context) (*bus.Conn, error) {
		select {
		case c := <-own:
			return c, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	var want []string
	put := func(n int) {
		for range n {
			text := fmt.Sprint("line ", len(want))
			l.put("alpha", "stdout", events.LogLine{Text: text})
			want = append(want, text)
		}
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	put(batch + 1)
	second := b.Connect(events.Procd)
	own <- second
	<-done
	put(2 * batch)
	sent := second.NC.Stats().OutMsgs
	l.close()
	if sent < 2*batch || first.NC.IsClosed() || !second.NC.IsClosed() {
		t.Errorf("%d lines over the second connection", sent)
	}
	operator := b.Connect(events.Operator)
	var got []string
	var err error
	testproc.Eventually(t, "the bus has all lines", func() bool {
		got = nil
		err = operator.Lines(t.Context(), bus.Lines{Node: testbus.Node, Entity: "alpha"}, func(_ events.LogAddress, line events.LogLine) error {
			got = append(got, line.Text)
			return nil
		})
		return err != nil || len(got) == len(want)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("line %d is %q", i, got[i])
		}
	}
}

// Lines that could not leave on the connection they had are counted in the first
// that leaves on the next.
func TestLinesDroppedBefore(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	first := b.Connect(events.Procd)
	l := &lines{node: testbus.Node, bus: first, log: slog.New(slog.DiscardHandler), open: opened(), begun: make(chan struct{})}
	first.NC.Close()
	for range 3 {
		l.put("alpha", "stdout", events.LogLine{Text: "lost"})
	}
	l.own.Store(b.Connect(events.Procd))
	l.put("alpha", "stdout", events.LogLine{Text: "four", Dropped: 2})
	l.put("alpha", "stdout", events.LogLine{Text: "five"})
	l.close()
	operator := b.Connect(events.Operator)
	var got []string
	testproc.Eventually(t, "the bus has both lines", func() bool {
		got = nil
		err := operator.Lines(t.Context(), bus.Lines{Node: testbus.Node, Entity: "alpha"}, func(_ events.LogAddress, line events.LogLine) error {
			got = append(got, fmt.Sprint(line.Dropped, " ", line.Text))
			return nil
		})
		return err != nil || len(got) == 2
	})
	if want := []string{"5 four", "0 five"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func opened() chan struct{} {
	open := make(chan struct{})
	close(open)
	return open
}

// Without a connection of their own lines travel all the same.
func TestLinesRefused(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	l := &lines{node: testbus.Node, bus: c, log: slog.New(slog.DiscardHandler), open: opened(), begun: make(chan struct{}), dial: func(context.Context) (*bus.Conn, error) {
		return nil, errors.New("no more connections")
	}}
	for range batch {
		l.put("alpha", "stdout", events.LogLine{Text: "one"})
	}
	l.run(t.Context())
	l.put("alpha", "stdout", events.LogLine{Text: "two"})
	l.close()
	if n := c.NC.Stats().OutMsgs; n < batch+1 {
		t.Errorf("%d lines were sent", n)
	}
}

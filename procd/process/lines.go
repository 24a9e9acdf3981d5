package process

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// lines brings what services write to the bus. Where it is much it has a connection
// of its own: services that write all they can would else hold up facts and
// commands, each of which waits for an answer.
type lines struct {
	node events.Node
	bus  *bus.Conn // until there is another
	dial func(context.Context) (*bus.Conn, error)
	log  *slog.Logger

	open  chan struct{} // closed when lines may travel
	once  sync.Once
	begun chan struct{} // closed with the first batch
	own   atomic.Pointer[bus.Conn]

	// What follows is put's alone.
	moved bool // it uses own
	sent  int  // since the bus was last waited for
}

const (
	// batch is how many lines leave before the bus is waited for, and then left to
	// others for as long as it took: half of what it can do is theirs.
	batch = 256
	// flushed bounds that wait. More lines are dropped by the runner meanwhile.
	flushed = time.Second
)

// put sends a line; it is called by one goroutine at a time.
func (l *lines) put(id, stream string, line events.LogLine) {
	<-l.open
	conn := l.own.Load()
	switch {
	case conn == nil:
		conn = l.bus
	case !l.moved:
		l.moved = true
		_ = l.bus.NC.FlushTimeout(flushed) // what came before stays before; without a bus nothing does
		conn.CountLines(l.bus)
	}
	conn.PublishLine(l.node, events.Entity(id), stream, line)
	if l.sent++; l.sent >= batch && conn.NC.IsConnected() {
		l.sent = 0
		l.once.Do(func() { close(l.begun) })
		began := time.Now()
		_ = conn.NC.FlushTimeout(flushed)
		time.Sleep(time.Since(began))
	}
}

// run connects when there are many lines, until ctx ends.
func (l *lines) run(ctx context.Context) {
	select {
	case <-l.begun:
	case <-ctx.Done():
		return
	}
	conn, err := l.dial(ctx)
	switch {
	case ctx.Err() != nil && err != nil:
	case err != nil:
		l.log.Warn("what services write shares a connection with facts and commands: these may be late where it is much", "error", err)
	default:
		l.own.Store(conn)
	}
}

// close comes when put is called no more.
func (l *lines) close() {
	if conn := l.own.Load(); conn != nil {
		conn.Close()
	}
}

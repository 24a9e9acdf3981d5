package bus

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"core.internal/shared/events"
)

// PublishLine sends one line of an entity's output. It never blocks; a line that
// cannot leave is counted in the next one's Dropped.
func (c *Conn) PublishLine(node events.Node, e events.Entity, stream string, l events.LogLine) {
	subject := events.LogSubject(node, e, stream)
	c.mu.Lock()
	l.Dropped += c.lines[subject]
	c.mu.Unlock()
	data, err := json.Marshal(l)
	if err == nil {
		err = c.NC.Publish(string(subject), data)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.lines[subject] = l.Dropped + 1
	} else {
		delete(c.lines, subject)
	}
}

// CountLines takes over the lines that could not leave on another connection, which
// counts them no more: they are in the Dropped of the next of theirs that leave here.
func (c *Conn) CountLines(from *Conn) {
	from.mu.Lock()
	lost := from.lines
	from.lines = map[events.Subject]int{}
	from.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for subject, n := range lost {
		c.lines[subject] += n
	}
}

// Lines says which log lines to read.
type Lines struct {
	Node   events.Node
	Entity events.Entity
	More   []events.Entity // whose lines stand among those of Entity, as they came
	Since  time.Time       // lines that the bus has stored since then
	Until  time.Time       // and until then; for ever if zero
	// Match says which lines are meant; all if nil.
	Match func(events.LogAddress, events.LogLine) bool
	// Tail is how many lines of the past to begin with, the latest ones; 0 for
	// all that the bus has, negative for none.
	Tail int
	// Follow goes on with new lines until ctx ends.
	Follow bool
}

// maxTail bounds what a reader keeps in memory.
const maxTail = 10_000

var errEnough = errors.New("everything was read")

// Lines hands the lines of entities to fn, oldest first, until fn fails, ctx
// ends or, without Follow, all were read. The bus keeps the last lines of each
// stream only; the files on disk have all.
func (c *Conn) Lines(ctx context.Context, l Lines, fn func(events.LogAddress, events.LogLine) error) error {
	type line struct {
		address events.LogAddress
		line    events.LogLine
	}
	var past []line
	live := false
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := Follow{Stream: events.StreamLogs, Filter: events.EntityLogs(l.Node, l.Entity), since: l.Since}
	for _, e := range l.More {
		f.more = append(f.more, string(events.EntityLogs(l.Node, e)))
	}
	f.Live = func() {
		if live {
			return
		}
		live = true
		for _, p := range past {
			if err := fn(p.address, p.line); err != nil {
				cancel(err)
				return
			}
		}
		past = nil
		if !l.Follow {
			cancel(errEnough)
		}
	}
	err := c.Follow(ctx, f, func(r events.Record) error {
		address, err := events.ParseLogSubject(string(r.Subject))
		if err != nil {
			return nil
		}
		var text events.LogLine
		if json.Unmarshal(r.Data, &text) != nil {
			return nil
		}
		if !l.Until.IsZero() && r.Time.After(l.Until) || l.Match != nil && !l.Match(address, text) {
			return nil
		}
		switch {
		case live || l.Tail == 0:
			return fn(address, text)
		case l.Tail > 0:
			past = append(past, line{address, text})
			if n := min(l.Tail, maxTail); len(past) > n {
				past = past[len(past)-n:]
			}
		}
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// journal is the record of one run on the bus. All of it is kept here as well,
// for a bus that loses its memory.
type journal struct {
	c        *Coordinator
	pipeline string
	run      events.Entity

	entries []entry
	stored  int    // so many entries are on the bus
	last    uint64 // sequence of the last of them; 0 for none
	first   uint64 // sequence of the first when it was found
}

type entry struct {
	subject events.Subject
	id      events.ID
	data    []byte
}

// takenError says that somebody else writes a run's journal.
type takenError struct{ filter events.Subject }

func (e *takenError) Error() string {
	return fmt.Sprintf("journal %s: another writer has appended to it: is a second pipelined running on this node?", e.filter)
}

// Bounds of the waits between attempts to append, and of one attempt.
const (
	retryMin      = 10 * time.Millisecond
	retryMax      = 160 * time.Millisecond
	appendTimeout = 5 * time.Second
)

// envelope encodes what is to be appended: about a step, or about the run.
func (j *journal) envelope(step string, body events.Body, cause events.ID) (events.Envelope, entry, error) {
	e, err := events.New(events.Header{
		ID: bus.NewID(), Time: now(), Node: j.c.o.Node, Source: events.Pipelined, Entity: j.run, Cause: cause,
	}, body)
	if err != nil {
		return e, entry{}, err
	}
	data, err := e.Encode()
	if err != nil {
		return e, entry{}, err
	}
	return e, entry{events.RunSubject(j.pipeline, string(j.run), step, e.Type.Fact()), e.ID, data}, nil
}

// found adds an entry that the bus already has.
func (j *journal) found(rec events.Record, e events.Envelope) {
	if j.first == 0 {
		j.first = rec.Seq
	}
	j.entries = append(j.entries, entry{rec.Subject, e.ID, rec.Data})
	j.stored, j.last = len(j.entries), rec.Seq
}

// append stores an entry. It tries until ctx ends.
func (j *journal) append(ctx context.Context, e entry) error {
	j.entries = append(j.entries, e)
	return j.sync(ctx)
}

// restore gives a bus that lost its memory the journal anew.
func (j *journal) restore(ctx context.Context) error {
	j.stored, j.last = 0, 0
	return j.sync(ctx)
}

func (j *journal) filter() events.Subject {
	return events.RunSubject(j.pipeline, string(j.run), events.Any, events.Any)
}

// sync stores what the bus does not have yet, in order.
func (j *journal) sync(ctx context.Context) error {
	wait, warned := retryMin, false
	for j.stored < len(j.entries) {
		err := j.store(ctx, j.entries[j.stored])
		var taken *takenError
		switch {
		case err == nil:
			wait = retryMin
			continue
		case ctx.Err() != nil:
			return fmt.Errorf("append to journal %s: %w", j.filter(), ctx.Err())
		case errors.As(err, &taken):
			return err
		}
		if !warned && wait == retryMax {
			warned = true
			j.c.o.Log.Warn("an entry of a run's journal is not acknowledged, trying again", "run", j.run, "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		wait = min(2*wait, retryMax)
	}
	return nil
}

// store asks once to append the next entry, and finds out where the bus stands
// where it has something else.
func (j *journal) store(ctx context.Context, e entry) error {
	ctx, cancel := whileConnected(ctx, j.c.o.Bus.NC)
	defer cancel()
	ack, err := j.c.o.Bus.JS.Publish(ctx, string(e.subject), e.data,
		jetstream.WithMsgID(string(e.id)), jetstream.WithRetryAttempts(0),
		jetstream.WithExpectLastSequenceForSubject(j.last, string(j.filter())))
	var api *jetstream.APIError
	switch {
	case err == nil:
		j.stored++
		j.last = ack.Sequence
		return nil
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == wrongLastSequence):
		if lerr := j.locate(ctx); lerr != nil {
			return lerr
		}
	}
	return err
}

// whileConnected bounds one attempt: an answer does not come on a connection that
// is lost.
func whileConnected(ctx context.Context, nc *nats.Conn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	lost := nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	if !nc.IsConnected() {
		cancel()
	}
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-joined
		nc.RemoveStatusListener(lost)
	}
}

// wrongLastSequence is what a cluster answers instead of the code above.
const wrongLastSequence jetstream.ErrorCode = 10164

// locate compares the last entry on the bus with ours: a lost acknowledgement
// and a lost stream both look like a conflict.
func (j *journal) locate(ctx context.Context) error {
	stream, err := j.c.o.Bus.JS.Stream(ctx, events.StreamRuns)
	if err != nil {
		return err
	}
	m, err := stream.GetLastMsgForSubject(ctx, string(j.filter()))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		j.stored, j.last = 0, 0
		return nil
	}
	if err != nil {
		return err
	}
	id := events.ID(m.Header.Get(jetstream.MsgIDHeader))
	for i, e := range j.entries {
		if e.id == id {
			j.stored, j.last = i+1, m.Sequence
			return nil
		}
	}
	return &takenError{filter: j.filter()}
}

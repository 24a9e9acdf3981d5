package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
)

// Events returns the facts on the bus as a log. It knows the ids of the last two
// minutes at least; what is appended again later is compared with the entity's
// own facts.
func (c *Conn) Events() events.Log { return &factLog{c: c} }

type factLog struct{ c *Conn }

// Append implements [events.Log].
func (l *factLog) Append(ctx context.Context, e events.Envelope, last uint64) (uint64, error) {
	data, err := e.Encode()
	if err != nil {
		return 0, err
	}
	seq, err := l.append(ctx, e, data, last)
	var conflict *events.ConflictError
	if !errors.As(err, &conflict) {
		return seq, err
	}
	if seq, ferr := l.find(ctx, e); ferr != nil || seq > 0 {
		return seq, ferr
	}
	return 0, err
}

// append asks once. A conflict may be about the very fact, stored by an attempt
// whose acknowledgement was lost.
func (l *factLog) append(ctx context.Context, e events.Envelope, data []byte, last uint64) (uint64, error) {
	m, options := message(e, data, last)
	ack, err := l.c.JS.PublishMsg(ctx, m, options...)
	if err != nil {
		if wrongSequence(err) {
			scope := events.EntityFacts(e.Node, e.Source, e.Entity)
			got, _ := l.Last(ctx, scope)
			return 0, &events.ConflictError{Subject: scope, Want: last, Got: got}
		}
		return 0, fmt.Errorf("append %s to %s: %w", e.ID, m.Subject, err)
	}
	return ack.Sequence, nil
}

// message is an envelope as it is published where last is the entity's last fact.
func message(e events.Envelope, data []byte, last uint64) (*nats.Msg, []jetstream.PublishOpt) {
	options := []jetstream.PublishOpt{jetstream.WithMsgID(string(e.ID)), jetstream.WithRetryAttempts(0)}
	if last != events.AnySequence {
		scope := events.EntityFacts(e.Node, e.Source, e.Entity)
		options = append(options, jetstream.WithExpectLastSequenceForSubject(last, string(scope)))
	}
	return &nats.Msg{Subject: string(e.Subject()), Data: data, Header: nats.Header{}}, options
}

// wrongSequence reports whether an append failed because the log is not where it
// was expected to be.
func wrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == wrongLastSequence)
}

// wrongLastSequence is what a cluster answers instead of the code above.
const wrongLastSequence jetstream.ErrorCode = 10164

// find looks for an envelope among its entity's facts, from the last one on.
func (l *factLog) find(ctx context.Context, e events.Envelope) (uint64, error) {
	scope := events.EntityFacts(e.Node, e.Source, e.Entity)
	seq, id, err := l.last(ctx, scope)
	if err != nil || seq == 0 || id == e.ID {
		return seq, err
	}
	for r, err := range l.read(ctx, 0, scope) {
		if err != nil {
			return 0, err
		}
		if d, err := events.DecodeRecord(r); err == nil && d.ID == e.ID {
			return r.Seq, nil
		}
	}
	return 0, nil
}

// Last implements [events.Log].
func (l *factLog) Last(ctx context.Context, filter events.Subject) (uint64, error) {
	seq, _, err := l.last(ctx, filter)
	return seq, err
}

func (l *factLog) last(ctx context.Context, filter events.Subject) (uint64, events.ID, error) {
	fail := func(err error) (uint64, events.ID, error) {
		return 0, "", fmt.Errorf("read the last record of %s: %w", filter, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq  uint64 `json:"seq"`
			Hdrs []byte `json:"hdrs"`
		} `json:"message"`
	}
	request := struct {
		LastFor events.Subject `json:"last_by_subj"`
	}{filter}
	if err := l.c.ask(ctx, events.StreamAPI("STREAM.MSG.GET", events.StreamEvents), request, &answer); err != nil {
		return fail(err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return 0, "", nil
	case answer.Error != nil:
		return fail(answer.Error)
	case answer.Message == nil:
		return fail(errors.New("the answer has no message"))
	}
	header, err := nats.DecodeHeadersMsg(answer.Message.Hdrs)
	if err != nil && len(answer.Message.Hdrs) > 0 {
		return fail(err)
	}
	return answer.Message.Seq, events.ID(header.Get(jetstream.MsgIDHeader)), nil
}

// Read implements [events.Log].
func (l *factLog) Read(ctx context.Context, after uint64) iter.Seq2[events.Record, error] {
	return l.read(ctx, after, events.AllFacts)
}

func (l *factLog) read(ctx context.Context, after uint64, filter events.Subject) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		last, _, err := l.last(ctx, filter)
		if err != nil {
			yield(events.Record{}, err)
			return
		}
		if last <= after {
			return
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		f := Follow{Stream: events.StreamEvents, Filter: filter, After: after}
		f.Live = func() { cancel(errEnough) } // also where the last one was removed meanwhile
		f.Reset = func() { cancel(errLost) }
		err = l.c.Follow(ctx, f, func(r events.Record) error {
			if r.Seq <= last && !yield(r, nil) || r.Seq >= last {
				return errEnough
			}
			return nil
		})
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if !errors.Is(err, errEnough) {
			yield(events.Record{}, fmt.Errorf("read %s after %d: %w", filter, after, err))
		}
	}
}

// errLost is why a read ended that cannot be complete.
var errLost = errors.New("the stream was lost while it was read: read again")

// ask makes one request of JetStream's API.
func (c *Conn) ask(ctx context.Context, subject events.Subject, request, answer any) error {
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := c.NC.RequestWithContext(ctx, string(subject), data)
	if err != nil {
		return err
	}
	return json.Unmarshal(m.Data, answer)
}

var _ events.Log = (*factLog)(nil)

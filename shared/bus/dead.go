package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"core.internal/shared/events"
)

// excerpt is how many bytes of a record that is not understood are kept.
const excerpt = 256

func decodeCommand(r events.Record) (Command, error) {
	e, err := events.DecodeRecord(r)
	if err != nil {
		return Command{}, err
	}
	to, err := events.ParseCommandSubject(string(r.Subject))
	if err != nil {
		return Command{}, &events.DecodeError{Kind: events.Malformed, Seq: r.Seq, Err: err}
	}
	if e.Type.Aggregate() != "request" || e.Type.Verb() != to.Verb || e.Entity != to.Entity || e.Node != to.Node {
		err := fmt.Errorf("%s about %s on node %s does not belong on %s", e.Type, e.Entity, e.Node, r.Subject)
		return Command{}, &events.DecodeError{Kind: events.Malformed, Seq: r.Seq, Err: err}
	}
	body, err := events.Payload(e)
	if err != nil {
		return Command{}, err
	}
	return Command{e, body}, nil
}

// reject tells what was wrong with a record that is no command.
func (s *served) reject(r events.Record, err error) {
	s.c.log.Warn("a message on the command queue is no command", "subject", string(r.Subject), "error", err)
	p := s.c.publisher(s.target)
	if p == nil {
		return
	}
	p.State(events.DeadEntity, dead(r, err), "")
	var id struct {
		ID events.ID `json:"id"`
	}
	_ = json.Unmarshal(r.Data, &id)
	to, terr := events.ParseCommandSubject(string(r.Subject))
	if terr == nil && events.CheckToken(string(id.ID)) == nil {
		p.State(to.Entity, events.CommandRejected{Verb: to.Verb, Reason: err.Error()}, id.ID)
	}
}

// dead is the fact under which a record is kept aside.
func dead(r events.Record, err error) events.Body {
	kept := events.Kept{
		Seq: r.Seq, Subject: string(r.Subject), Reason: err.Error(),
		Excerpt: r.Data[:min(len(r.Data), excerpt)], Size: len(r.Data),
	}
	var d *events.DecodeError
	if errors.As(err, &d) {
		kept.Reason = d.Err.Error()
		switch d.Kind {
		case events.Oversized:
			return events.DeadOversized{Kept: kept}
		case events.Unknown:
			return events.DeadUnknown{Kept: kept}
		}
	}
	return events.DeadMalformed{Kept: kept}
}

// KeepAside says whose records to look through.
type KeepAside struct {
	Node  events.Node
	Facts *Publisher // states what was found; on one node one source does this
	// After is the highest sequence already kept aside, as a node's state says.
	After uint64
}

// KeepAside states each record of a node that no fold understands once as a
// dead… fact, until ctx ends. What stands on the subjects of such facts itself is
// never kept aside again.
func (c *Conn) KeepAside(ctx context.Context, k KeepAside) error {
	own := events.EntityFacts(k.Node, k.Facts.o.Source, events.DeadEntity)
	f := Follow{Stream: events.StreamEvents, Filter: events.NodeFacts(k.Node), After: k.After}
	return c.Follow(ctx, f, func(r events.Record) error {
		if _, err := events.DecodeRecord(r); err != nil && !events.Match(own, r.Subject) {
			k.Facts.State(events.DeadEntity, dead(r, err), "")
		}
		return nil
	})
}

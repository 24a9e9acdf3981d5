package cli

import (
	"context"
	"errors"
	"fmt"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// supervised looks up a service or daemon and the source that states its facts.
func (c *call) supervised(ctx context.Context, s *session, name string) (state.State, events.Source, error) {
	st, err := c.registered(ctx, s, []string{name}, func(st state.State, id events.Entity) bool {
		_, daemon := st.Daemons[id]
		return daemon || len(st.Members(id)) > 0
	})
	if err != nil {
		return st, "", err
	}
	source, err := sourceOf(st, name)
	return st, source, err
}

func sourceOf(st state.State, name string) (events.Source, error) {
	id := events.Entity(name)
	if _, ok := st.Services[id]; ok {
		return events.Procd, nil
	}
	if _, ok := st.Daemons[id]; ok {
		return events.Launcher, nil
	}
	if all := st.Members(id); len(all) > 0 {
		return "", &Problem{
			Err: fmt.Errorf("%s is a spec with %s", name, count(len(all), "replica")),
			Fix: fmt.Sprintf("name one of them: %s to %s", all[0], all[len(all)-1]),
		}
	}
	return "", unknownEntity("service", name, append(names(st.Services), names(st.Daemons)...))
}

// history reads what a source has stated of an entity, oldest first. What cannot
// be read is left out: `events` shows it.
func (c *call) history(ctx context.Context, conn *bus.Conn, source events.Source, e events.Entity) ([]events.Envelope, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var facts []events.Envelope
	f := bus.Follow{
		Stream: events.StreamEvents, Filter: events.EntityFacts(c.node.Name, source, e),
		Live: func() { cancel(errCaughtUp) }, Reset: func() { facts = nil },
	}
	err := conn.Follow(ctx, f, func(r events.Record) error {
		if e, err := events.DecodeRecord(r); err == nil {
			facts = append(facts, e)
		}
		return nil
	})
	if errors.Is(context.Cause(ctx), errCaughtUp) {
		err = nil
	}
	return facts, err
}

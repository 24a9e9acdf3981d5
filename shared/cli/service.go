package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

// verbCommand is the command of an action on services.
func verbCommand(id ui.ActionID) *command {
	a := action(id)
	return &command{
		name: a.Verb, args: a.Args, about: a.About, node: true,
		examples: []string{a.Verb + " alpha", a.Verb + " alpha beta --timeout 10s"},
		flags: func(f *flags) {
			f.Bool("wait", true, "return when it is done; --wait=false when it is asked for")
			f.within("timeout", defaultPatience, "how long to wait")
		},
		complete: func(ctx context.Context, c *call) []string { return c.serviceNames(ctx) },
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(1, -1); err != nil {
				return err
			}
			return c.withSession(ctx, func(ctx context.Context, s *session) error { return c.act(ctx, s, a) })
		},
	}
}

// request is one action asked for.
type request struct {
	entity events.Entity
	id     events.ID
	sent   time.Time
	done   time.Time // when its outcome was known; zero for now
}

// act asks for an action on each service, then waits for each outcome.
func (c *call) act(ctx context.Context, s *session, a ui.Action) error {
	var unknown []error
	// Asked twice about one service, the first request would lose to the second.
	services := slices.Compact(slices.Sorted(slices.Values(c.args)))
	st, err := c.registered(ctx, s, services, func(st state.State, id events.Entity) bool { return len(st.Members(id)) > 0 })
	if err != nil {
		return err
	}
	for _, name := range services {
		if len(st.Members(events.Entity(name))) == 0 {
			unknown = append(unknown, unknownEntity("service", name, st.Names()))
		}
	}
	if len(unknown) > 0 {
		return errors.Join(unknown...)
	}
	limit, cancel := context.WithTimeout(ctx, value[time.Duration](c, "timeout"))
	defer cancel()
	var requests []request
	for _, name := range services {
		to, body := a.Request(ui.Target{Node: s.node, Entity: events.Entity(name)})
		sent := time.Now()
		id, err := s.Send(limit, to, body)
		if err != nil {
			return err
		}
		requests = append(requests, request{entity: events.Entity(name), id: id, sent: sent})
	}
	if !value[bool](c, "wait") {
		for _, r := range requests {
			if err := c.result(ui.Idle, r, a, "requested"); err != nil {
				return err
			}
		}
		return nil
	}
	replies := make([]chan reply, len(requests))
	var waits sync.WaitGroup
	defer waits.Wait()
	defer cancel()
	for i, r := range requests {
		replies[i] = make(chan reply, 1)
		waits.Go(func() { replies[i] <- s.reply(limit, a, r) })
	}
	failed := false
	for i, r := range requests { // told in their order, each with its own time
		told := <-replies[i]
		err := told.err
		r.done = told.at
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			failed = true
			err = c.result(ui.Bad, r, a, fmt.Sprintf("no outcome within %s: %s", value[time.Duration](c, "timeout"), standing(told.state, r.entity)))
		case err != nil:
		case told.State == state.OutcomeCompleted || told.State == state.OutcomeAccepted:
			err = c.result(ui.OK, r, a, fmt.Sprintf("%s: %s", told.State, standing(told.state, r.entity)))
		default:
			failed = true
			err = c.result(ui.Bad, r, a, fmt.Sprintf("%s: %s", told.State, told.Reason))
		}
		if err != nil {
			return err
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// result prints what became of one request: on standard output, since it is what
// was asked for.
func (c *call) result(t ui.Tone, r request, a ui.Action, text string) error {
	took := ""
	if t != ui.Idle {
		done := r.done
		if done.IsZero() {
			done = time.Now()
		}
		took = c.out.Dim(" (" + ui.Took(done.Sub(r.sent)) + ")")
	}
	return c.out.Print(fmt.Sprintf("%s%s  %s %s%s", c.out.Mark(t), c.out.Bold(string(r.entity)), a.Verb, c.out.Tone(t, render.Clean(text)), took))
}

// reply is what became of one request.
type reply struct {
	state.Outcome
	state state.State // when that was known
	at    time.Time   // of its being known
	err   error
}

func (s *session) reply(ctx context.Context, a ui.Action, r request) reply {
	o, st, err := s.outcome(ctx, a, r.id)
	return reply{o, st, time.Now(), err}
}

// outcome waits until it is known what became of a request.
func (s *session) outcome(ctx context.Context, a ui.Action, id events.ID) (state.Outcome, state.State, error) {
	st, err := s.view.Wait(ctx, func(st state.State) bool {
		_, ok := a.Outcome(st, id)
		return ok
	})
	o, _ := a.Outcome(st, id)
	return o, st, err
}

// standing says how a service is.
func standing(st state.State, id events.Entity) string {
	page := ui.Build(st, ui.Options{Now: time.Now()})
	for _, v := range page.Services {
		if v.ID == id {
			pid := ""
			if v.PID > 0 {
				pid = fmt.Sprintf("pid %d", v.PID)
			}
			return phrase(v.State.Text, v.Health.Text, pid, v.Reason)
		}
	}
	for _, g := range page.Groups {
		if g.ID == id {
			return fmt.Sprintf("%d replicas, %s", len(g.Replicas), g.State.Text)
		}
	}
	return "unknown"
}

// unknownEntity says that there is nothing of a name, and which was meant.
func unknownEntity(kind, name string, known []string) error {
	if near := config.Suggest(name, known); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %q?", kind, name, near)
	}
	if len(known) == 0 {
		return fmt.Errorf("unknown %s %q: there is none", kind, name)
	}
	return fmt.Errorf("unknown %s %q: there are %s", kind, name, list(known))
}

func list(words []string) string {
	text := ""
	for i, w := range words {
		if i > 0 {
			text += ", "
		}
		text += w
	}
	return text
}

// names lists the keys of a map of entities, sorted.
func names[V any](m map[events.Entity]V) []string {
	keys := make(map[events.Entity]string, len(m))
	for k := range m {
		keys[k] = string(k)
	}
	return state.Sorted(keys)
}

package coordinator

import (
	"context"
	"fmt"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

// handle takes one request. It returns nil once what follows from the request
// is recorded; start is given a run that is to be carried out.
func (c *Coordinator) handle(ctx context.Context, command bus.Command, start func(*run)) error {
	var rejection error
	var err error
	switch body := command.Body.(type) {
	case events.RunPipeline:
		rejection, err = c.run(ctx, command.Envelope, body, start)
	case events.CancelRun:
		rejection, err = c.cancel(ctx, command.Envelope)
	default:
		rejection = fmt.Errorf("pipelined knows no %s: it takes %s and %s", command.Type.Verb(), verbRun, verbCancel)
	}
	if rejection != nil {
		c.o.Log.Info("request rejected", "verb", command.Type.Verb(), "run", command.Entity, "reason", rejection)
		c.tell(command.Entity, events.CommandRejected{Verb: command.Type.Verb(), Reason: rejection.Error()}, command.ID)
	}
	return err
}

// run begins a run, or says why not.
func (c *Coordinator) run(ctx context.Context, e events.Envelope, body events.RunPipeline, start func(*run)) (rejection, err error) {
	if request, known := c.known(e.Entity); known {
		if request == e.ID {
			return nil, nil // the request came again
		}
		return fmt.Errorf("there is a run %s already: choose another name", e.Entity), nil
	}
	p, err := c.o.Pipelines.Get(body.Pipeline)
	if err != nil {
		return err, nil
	}
	d, err := p.Define(body.Params)
	if err != nil {
		return err, nil
	}
	r := newRun(c, e.Entity)
	r.request, r.journal.pipeline = e.ID, p.Name
	first := events.RunStarted{Pipeline: p.Name, Params: d.Params(), Steps: d.Graph().Statuses()}
	if err := r.append(ctx, pipeline.RunStep, first, e.ID); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.active[e.Entity] = r
	c.mu.Unlock()
	c.tell(e.Entity, events.CommandAccepted{Verb: verbRun}, e.ID)
	r.tellStarted(false)
	start(r)
	return nil, nil
}

// known looks up a run and the request that asked for it.
func (c *Coordinator) known(id events.Entity) (events.ID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.active[id]; ok {
		return r.request, true
	}
	over, ok := c.ended[id]
	return over.request, ok
}

// cancel asks a run's loop to end it and waits until that is recorded.
func (c *Coordinator) cancel(ctx context.Context, e events.Envelope) (rejection, err error) {
	c.mu.Lock()
	r, active := c.active[e.Entity]
	over, known := c.ended[e.Entity]
	var names []string
	for id := range c.active {
		names = append(names, string(id))
	}
	c.mu.Unlock()
	switch {
	case active:
	case known:
		return fmt.Errorf("run %s has ended: it %s", e.Entity, past(over.state)), nil
	default:
		return unknownRun(e.Entity, names), nil
	}
	request := cancel{request: e.ID, answer: make(chan error, 1)}
	select {
	case r.cancels <- request:
	case <-r.over:
		return fmt.Errorf("run %s: %w", e.Entity, errEnding), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := <-request.answer; err == errEnding {
		return fmt.Errorf("run %s: %w", e.Entity, err), nil
	} else if err != nil {
		return nil, err
	}
	return nil, nil
}

func unknownRun(id events.Entity, active []string) error {
	if near := config.Suggest(string(id), active); near != "" {
		return fmt.Errorf("unknown run %q: did you mean %q?", id, near)
	}
	return fmt.Errorf("unknown run %q: %d are going on", id, len(active))
}

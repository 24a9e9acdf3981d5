package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

// run is one run that has not ended.
type run struct {
	c       *Coordinator
	request events.ID    // that asked for it
	state   pipeline.Run // loop's alone once the run is active
	journal journal      // loop's alone once the run is active

	interrupted []string // the steps that went on when an earlier coordinator ended

	definition *pipeline.Definition // nil where it cannot be laid out, for broken
	broken     error

	cancels chan cancel
	lost    chan struct{} // the bus may have lost the journal
	over    chan struct{} // closed when loop has returned

	steps sync.WaitGroup
	stops map[string]context.CancelCauseFunc // loop's: the steps that go on
}

// cancel asks a run's loop to end it. The answer comes when it is recorded.
type cancel struct {
	request events.ID
	answer  chan error
}

// errCancelled is why a step of a cancelled run ends.
var errCancelled = errors.New("cancelled on request")

// errEnding is the answer to a cancellation that comes too late.
var errEnding = errors.New("it is ending already: look at its outcome")

func newRun(c *Coordinator, id events.Entity) *run {
	return &run{
		c: c, journal: journal{c: c, run: id},
		cancels: make(chan cancel), lost: make(chan struct{}, 1), over: make(chan struct{}),
		stops: map[string]context.CancelCauseFunc{},
	}
}

// tellLost makes the loop look whether the bus still has the journal.
func (r *run) tellLost() {
	select {
	case r.lost <- struct{}{}:
	default:
	}
}

// append records something about a step, or about the run, and adds it to the
// state. It returns when the bus has it.
func (r *run) append(ctx context.Context, step string, body events.Body, cause events.ID) error {
	e, entry, err := r.journal.envelope(step, body, cause)
	if err != nil {
		return err
	}
	state, err := r.state.Apply(e)
	if err != nil {
		return err
	}
	if err := r.journal.append(ctx, entry); err != nil {
		return err
	}
	r.state = state
	return nil
}

// plan lays the run out. A run whose pipeline is gone, or takes other parameters
// now, can only fail.
func (r *run) plan() {
	p, err := r.c.o.Pipelines.Get(r.state.Pipeline)
	if err == nil {
		r.definition, err = p.Define(r.state.Params)
	}
	r.broken = err
}

// loop carries the run to its end. It returns early, with an error, when ctx
// ends or the journal is somebody else's.
func (r *run) loop(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer r.steps.Wait()
	defer stop()
	if r.plan(); r.broken == nil {
		r.broken = r.sweep()
	} else if err := r.sweep(); err != nil {
		r.c.o.Log.Error("an interrupted run has left processes", "run", r.state.ID, "error", err)
	}
	if r.broken != nil && !r.state.Over() {
		return r.finish(ctx, pipeline.Decision{State: events.StepFailed, Reason: r.broken.Error()})
	}
	held, err := r.awaitTurn(ctx)
	if held {
		defer func() { <-r.c.slots }()
	}
	if err != nil {
		return err
	}
	r.c.prune()
	ended := make(chan outcome, len(r.state.Steps))
	for advanced := false; ; {
		d := r.state.Next(r.c.o.Steps)
		if d.Over {
			return r.finish(ctx, d)
		}
		acted, err := r.act(ctx, d, ended)
		if err != nil {
			return err
		}
		if acted || advanced {
			r.tellAdvanced()
			advanced = false
		}
		if acted {
			continue
		}
		if advanced, err = r.await(ctx, ended); err != nil {
			return err
		}
	}
}

// awaitTurn waits until fewer than the allowed number of runs go on. A cancelled
// run needs no turn: it begins nothing.
func (r *run) awaitTurn(ctx context.Context) (held bool, err error) {
	for !r.state.Cancelling {
		select {
		case r.c.slots <- struct{}{}:
			return true, nil
		case c := <-r.cancels:
			if err := r.cancel(ctx, c); err != nil {
				return false, err
			}
		case <-r.lost:
			if err := r.journal.restore(ctx); err != nil {
				return false, err
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

// act carries out a decision and reports whether anything changed.
func (r *run) act(ctx context.Context, d pipeline.Decision, ended chan<- outcome) (changed bool, err error) {
	for _, end := range d.End {
		body := events.StepEnded{Pipeline: r.state.Pipeline, Step: end.Step, State: end.State, Reason: end.Reason}
		if err := r.append(ctx, end.Step, body, ""); err != nil {
			return false, err
		}
		changed = true
	}
	for _, step := range d.Stop {
		r.stops[step](errCancelled)
	}
	for _, begin := range d.Begin {
		body := events.StepBegan{Pipeline: r.state.Pipeline, Step: begin.Step, Attempt: begin.Attempt}
		if err := r.append(ctx, begin.Step, body, ""); err != nil {
			return false, err
		}
		r.begin(ctx, begin, ended)
		changed = true
	}
	return changed, nil
}

// await takes what happens next into the journal and reports whether a step
// ended.
func (r *run) await(ctx context.Context, ended <-chan outcome) (advanced bool, err error) {
	select {
	case o := <-ended:
		return true, r.end(ctx, o)
	case c := <-r.cancels:
		return false, r.cancel(ctx, c)
	case <-r.lost:
		return false, r.journal.restore(ctx)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// end records how a step ended.
func (r *run) end(ctx context.Context, o outcome) error {
	r.stops[o.step](nil)
	delete(r.stops, o.step)
	body := events.StepEnded{Pipeline: r.state.Pipeline, Step: o.step, State: o.state, Reason: o.reason, Result: o.result}
	err := r.append(ctx, o.step, body, "")
	if tooLarge := (*events.DecodeError)(nil); errors.As(err, &tooLarge) {
		body.State, body.Result = events.StepFailed, nil
		body.Reason = fmt.Sprintf("its result has %d bytes: put what is large into a file or the object store", len(o.result))
		err = r.append(ctx, o.step, body, "")
	}
	if err == nil {
		r.c.metrics.step(r.state.Pipeline, body.State)
	}
	return err
}

// cancel records that the run is to end early. The next decision does the rest.
func (r *run) cancel(ctx context.Context, c cancel) error {
	var err error
	recorded := false
	for _, s := range r.state.Steps {
		if s.State == events.StepRunning {
			err = r.append(ctx, s.Name, events.StepCancelling{Pipeline: r.state.Pipeline, Step: s.Name}, c.request)
			recorded = true
		}
	}
	// Nothing goes on: the first pending step is where it is recorded.
	for _, s := range r.state.Steps {
		if s.State == events.StepPending && !recorded {
			body := events.StepEnded{Pipeline: r.state.Pipeline, Step: s.Name, State: events.StepCancelled}
			err = r.append(ctx, s.Name, body, c.request)
			recorded = true
		}
	}
	switch {
	case err != nil:
		c.answer <- err
		return err
	case !recorded:
		c.answer <- errEnding
		return nil
	}
	r.c.tell(r.state.ID, events.CommandAccepted{Verb: verbCancel}, c.request)
	c.answer <- nil
	return nil
}

// finish tells how the run ended, and records it when everybody can know.
func (r *run) finish(ctx context.Context, d pipeline.Decision) error {
	r.tellEnded(d)
	if err := r.c.o.Facts.Flush(ctx); err != nil {
		return err
	}
	body := events.RunEnded{Pipeline: r.state.Pipeline, State: d.State, Reason: d.Reason, Steps: r.state.Statuses()}
	if err := r.append(ctx, pipeline.RunStep, body, ""); err != nil {
		return err
	}
	r.c.metrics.run(r.state.Pipeline, d.State)
	return nil
}

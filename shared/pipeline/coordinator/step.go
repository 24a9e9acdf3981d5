package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/step"
)

// outcome is how a step ended.
type outcome struct {
	step   string
	state  events.StepState
	reason string
	result json.RawMessage
}

// begin carries out a step that the journal says has begun. Where ctx ends
// before the step does, there is no outcome: it was interrupted.
func (r *run) begin(ctx context.Context, b pipeline.Begin, ended chan<- outcome) {
	results := r.state.Result // of the state as it is now
	job := r.job(b.Step, b.Attempt)
	stepCtx, stop := context.WithCancelCause(ctx)
	r.stops[b.Step] = stop
	r.steps.Go(func() {
		log := r.c.openLog(job)
		defer log.close()
		job.Log = log
		o := outcome{step: b.Step, state: events.StepCompleted}
		var err error
		if o.result, err = r.do(stepCtx, job, results, log); err != nil {
			if ctx.Err() != nil {
				return
			}
			o.state, o.reason = events.StepFailed, explain(err, log.lastLines())
			if errors.Is(context.Cause(stepCtx), errCancelled) {
				o.state, o.reason = events.StepCancelled, ""
			}
		}
		log.flush()
		ended <- o
	})
}

func (r *run) job(step string, attempt int) pipeline.Job {
	return pipeline.Job{
		Run: r.state.ID, Pipeline: r.state.Pipeline, Step: step, Attempt: attempt,
		Mark: filepath.Join(r.c.o.Dir, string(r.state.ID), step),
	}
}

// sweep kills what the interrupted steps of a resumed run left, whether or not
// they are carried out again.
func (r *run) sweep() error {
	var errs []error
	for _, name := range r.interrupted {
		job := r.job(name, 0)
		killed, err := step.KillLeftovers(job.Mark)
		if err != nil {
			errs = append(errs, fmt.Errorf("step %s: %w", name, err))
		}
		if killed > 0 {
			log := r.c.openLog(job)
			fmt.Fprintf(log, "interrupted: killed %d processes that it left\n", killed)
			log.close()
		}
	}
	return errors.Join(errs...)
}

// do calls the step's function. A panic is the step's failure, not the daemon's.
func (r *run) do(ctx context.Context, job pipeline.Job, results pipeline.Results, log *stepLog) (result json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			_, _ = log.Write(debug.Stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if job.Attempt > 1 {
		fmt.Fprintf(log, "attempt %d: the one before was interrupted\n", job.Attempt)
	}
	return r.definition.Do(ctx, job, results)
}

// maxReason bounds a step's reason, so that a fact about all steps of a run
// stays below the size of an envelope.
const maxReason = 1 << 10

// explain adds to an error the last lines of the step's log.
func explain(err error, last []string) string {
	reason := err.Error()
	if len(reason) > maxReason/2 {
		reason = reason[:maxReason/2] + "…"
	}
	var kept []string
	for size := len(reason); len(last) > 0; last = last[:len(last)-1] {
		line := last[len(last)-1]
		if size += len(line) + 1; size > maxReason {
			break
		}
		kept = append([]string{line}, kept...)
	}
	if len(kept) > 0 {
		reason += "\n" + strings.Join(kept, "\n")
	}
	return strings.ToValidUTF8(reason, "�")
}

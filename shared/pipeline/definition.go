package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"core.internal/shared/events"
)

// RunStep is the step's token in the journal entries about a run as a whole; no
// step may have it as its name.
const RunStep = "run"

// MaxSteps bounds the steps of a definition, so that a fact about all of them
// stays below the size of an envelope.
const MaxSteps = 128

// Definition is the layout of one run: its steps in the order in which they
// were defined, each after those that it depends on.
type Definition struct {
	params map[string]string
	steps  []task
	index  map[string]int
	errs   []error
}

// task is one step with its type erased.
type task struct {
	step Step
	do   func(ctx context.Context, j Job, results Results) (any, error)
}

// Step is one step of a graph.
type Step struct {
	Name  string   `json:"name"`
	After []string `json:"after,omitempty"` // the steps that must be completed first
}

// Graph is the steps of a definition, none before one that it depends on.
type Graph []Step

// Job is what a step's function is given beside its inputs.
type Job struct {
	Run      events.Entity
	Pipeline string
	Step     string
	Attempt  int // 1, or more where a run was interrupted during the step
	// Mark names this step of this run on this machine, for processes that it
	// starts.
	Mark string
	// Log takes the step's output, line by line. It never fails and may be
	// used by several goroutines.
	Log io.Writer
}

// Results looks up the encoded result of a completed step.
type Results func(step string) (json.RawMessage, bool)

// Dependency is a [Value] of any type.
type Dependency interface {
	origin() (*Definition, []string)
}

// Value stands for what a step will return.
type Value[T any] struct {
	from  *Definition // nil for a constant
	steps []string
	get   func(Results) (T, error)
}

func (v Value[T]) origin() (*Definition, []string) { return v.from, v.steps }

// Const is a value that is known already.
func Const[T any](v T) Value[T] {
	return Value[T]{get: func(Results) (T, error) { return v, nil }}
}

// All collects values into one, in their order.
func All[T any](values ...Value[T]) Value[[]T] {
	all := Value[[]T]{get: func(results Results) ([]T, error) {
		var list []T
		for _, v := range values {
			item, err := v.get(results)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	}}
	for _, v := range values {
		if v.from != nil {
			all.from = v.from
		}
		for _, step := range v.steps {
			if !slices.Contains(all.steps, step) {
				all.steps = append(all.steps, step)
			}
		}
	}
	return all
}

// Param returns the value that the run has for a declared parameter.
func (d *Definition) Param(name string) string {
	value, ok := d.params[name]
	if !ok {
		d.errs = append(d.errs, fmt.Errorf("the plan reads parameter %q: declare it in Params", name))
	}
	return value
}

// List returns a parameter's comma-separated items, none of them empty.
func (d *Definition) List(name string) []string {
	var items []string
	for item := range strings.SplitSeq(d.Param(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Params returns every parameter of the run, defaults included.
func (d *Definition) Params() map[string]string { return d.params }

// Task defines a step without inputs that begins after others are completed.
func Task[T any](d *Definition, name string, fn func(context.Context, Job) (T, error), after ...Dependency) Value[T] {
	return add[T](d, name, after, func(ctx context.Context, j Job, _ Results) (any, error) {
		return fn(ctx, j)
	})
}

// Task1 defines a step with one input.
func Task1[A, T any](d *Definition, name string, fn func(context.Context, Job, A) (T, error), a Value[A], after ...Dependency) Value[T] {
	return add[T](d, name, append([]Dependency{a}, after...), func(ctx context.Context, j Job, results Results) (any, error) {
		in, err := a.get(results)
		if err != nil {
			return nil, err
		}
		return fn(ctx, j, in)
	})
}

// Task2 defines a step with two inputs.
func Task2[A, B, T any](d *Definition, name string, fn func(context.Context, Job, A, B) (T, error), a Value[A], b Value[B], after ...Dependency) Value[T] {
	return add[T](d, name, append([]Dependency{a, b}, after...), func(ctx context.Context, j Job, results Results) (any, error) {
		first, err := a.get(results)
		if err != nil {
			return nil, err
		}
		second, err := b.get(results)
		if err != nil {
			return nil, err
		}
		return fn(ctx, j, first, second)
	})
}

func add[T any](d *Definition, name string, after []Dependency, do func(context.Context, Job, Results) (any, error)) Value[T] {
	step := Step{Name: name}
	for _, dependency := range after {
		from, names := dependency.origin()
		if from != nil && from != d {
			d.errs = append(d.errs, fmt.Errorf("step %q depends on %s of another definition", name, strings.Join(names, ", ")))
			continue
		}
		for _, n := range names {
			if _, known := d.index[n]; !known {
				d.errs = append(d.errs, fmt.Errorf("step %q depends on %s of another definition", name, n))
			} else if !slices.Contains(step.After, n) {
				step.After = append(step.After, n)
			}
		}
	}
	if err := events.CheckToken(name); err != nil {
		d.errs = append(d.errs, fmt.Errorf("step: %w", err))
	}
	if _, taken := d.index[name]; taken {
		d.errs = append(d.errs, fmt.Errorf("two steps are named %q", name))
	}
	d.index[name] = len(d.steps)
	d.steps = append(d.steps, task{step: step, do: do})
	return Value[T]{from: d, steps: []string{name}, get: func(results Results) (T, error) {
		return decode[T](name, results)
	}}
}

func decode[T any](step string, results Results) (T, error) {
	var v T
	data, ok := results(step)
	if !ok {
		return v, fmt.Errorf("step %s has no result", step)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("result of step %s: %w", step, err)
	}
	return v, nil
}

func (d *Definition) check() error {
	errs := d.errs
	if _, taken := d.index[RunStep]; taken {
		errs = append(errs, fmt.Errorf("no step may be named %q: that is the run itself", RunStep))
	}
	switch n := len(d.steps); {
	case n == 0:
		errs = append(errs, errors.New("there is no step"))
	case n > MaxSteps:
		errs = append(errs, fmt.Errorf("there are %d steps: at most %d are allowed", n, MaxSteps))
	}
	return errors.Join(errs...)
}

// Graph returns the definition as data.
func (d *Definition) Graph() Graph {
	g := make(Graph, 0, len(d.steps))
	for _, t := range d.steps {
		g = append(g, t.step)
	}
	return g
}

// Do carries out one step and returns its encoded result.
func (d *Definition) Do(ctx context.Context, j Job, results Results) (json.RawMessage, error) {
	i, ok := d.index[j.Step]
	if !ok {
		return nil, fmt.Errorf("pipeline %s has no step %q any more: start a new run", j.Pipeline, j.Step)
	}
	v, err := d.steps[i].do(ctx, j, results)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	return data, nil
}

package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/config"
	"core.internal/shared/events"
)

// Pipeline is one kind of run.
type Pipeline struct {
	Name   string // a token
	About  string // one sentence
	Params []Param
	// Plan lays out the steps of a run.
	Plan func(d *Definition) error
}

// Param is a parameter that a run may be given.
type Param struct {
	Name    string `json:"name"` // a token
	About   string `json:"about"`
	Default string `json:"default"`
	// Check says why a value cannot be used; any value can if nil.
	Check func(value string) error `json:"-"`
}

// Define lays out a run with the given parameters. What is wrong with them is
// a *[ParamError]; any other error is a fault of the pipeline itself.
func (p Pipeline) Define(params map[string]string) (*Definition, error) {
	d := &Definition{params: map[string]string{}, index: map[string]int{}}
	for _, param := range p.Params {
		value, given := params[param.Name]
		if !given {
			value = param.Default
		}
		if param.Check != nil {
			if err := param.Check(value); err != nil {
				return nil, &ParamError{Pipeline: p.Name, Param: param.Name, Err: err}
			}
		}
		d.params[param.Name] = value
	}
	if err := p.checkGiven(params); err != nil {
		return nil, err
	}
	if err := p.Plan(d); err != nil {
		d.errs = append(d.errs, err)
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("define pipeline %s: %w", p.Name, err)
	}
	return d, nil
}

func (p Pipeline) checkGiven(params map[string]string) error {
	var known, unknown []string
	for _, param := range p.Params {
		known = append(known, param.Name)
	}
	for name := range params {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	hint := "it has none"
	if len(known) > 0 {
		hint = "it has " + strings.Join(known, ", ")
	}
	if near := config.Suggest(unknown[0], known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &ParamError{Pipeline: p.Name, Param: unknown[0], Err: errors.New("unknown: " + hint)}
}

// ParamError says why a parameter of a run cannot be used.
type ParamError struct {
	Pipeline, Param string
	Err             error
}

func (e *ParamError) Error() string {
	return fmt.Sprintf("parameter %q of pipeline %s: %v", e.Param, e.Pipeline, e.Err)
}

func (e *ParamError) Unwrap() error { return e.Err }

// Registry is the set of pipelines that a coordinator knows.
type Registry struct {
	pipelines []Pipeline // by name
}

// NewRegistry checks every pipeline, and its plan for the default parameters.
func NewRegistry(pipelines ...Pipeline) (*Registry, error) {
	r := &Registry{pipelines: slices.Clone(pipelines)}
	slices.SortStableFunc(r.pipelines, func(a, b Pipeline) int { return strings.Compare(a.Name, b.Name) })
	var errs []error
	for i, p := range r.pipelines {
		if i > 0 && p.Name == r.pipelines[i-1].Name {
			errs = append(errs, fmt.Errorf("two pipelines are named %q", p.Name))
		}
		errs = append(errs, p.check())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

func (p Pipeline) check() error {
	if err := events.CheckToken(p.Name); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	if p.Plan == nil {
		return fmt.Errorf("pipeline %s has no plan", p.Name)
	}
	var names []string
	for _, param := range p.Params {
		if err := events.CheckToken(param.Name); err != nil {
			return fmt.Errorf("pipeline %s: parameter: %w", p.Name, err)
		}
		if slices.Contains(names, param.Name) {
			return fmt.Errorf("pipeline %s has two parameters named %q", p.Name, param.Name)
		}
		names = append(names, param.Name)
	}
	_, err := p.Define(nil)
	return err
}

// Get returns the pipeline with a name, or an *[UnknownError].
func (r *Registry) Get(name string) (Pipeline, error) {
	var names []string
	for _, p := range r.pipelines {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Pipeline{}, &UnknownError{Name: name, Known: names, Near: config.Suggest(name, names)}
}

// UnknownError says that there is no pipeline with a name.
type UnknownError struct {
	Name  string
	Known []string
	Near  string // the known name that was probably meant; may be empty
}

func (e *UnknownError) Error() string {
	switch {
	case e.Near != "":
		return fmt.Sprintf("unknown pipeline %q: did you mean %q?", e.Name, e.Near)
	case len(e.Known) == 0:
		return fmt.Sprintf("unknown pipeline %q: none is defined", e.Name)
	}
	return fmt.Sprintf("unknown pipeline %q: there are %s", e.Name, strings.Join(e.Known, ", "))
}

// Description is a pipeline as data, for shells and documents.
type Description struct {
	Name   string  `json:"name"`
	About  string  `json:"about"`
	Params []Param `json:"params"`
	Steps  Graph   `json:"steps"` // for the default parameters
}

// Describe lists every pipeline by name.
func (r *Registry) Describe() []Description {
	var all []Description
	for _, p := range r.pipelines {
		description := Description{Name: p.Name, About: p.About, Params: p.Params}
		if d, err := p.Define(nil); err == nil {
			description.Steps = d.Graph()
		}
		all = append(all, description)
	}
	return all
}

package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"core.internal/shared/pipeline"
)

func nothing(context.Context, pipeline.Job) (struct{}, error) { return struct{}{}, nil }

type size struct {
	Name  string
	Bytes int
}

func sizes() pipeline.Pipeline {
	return pipeline.Pipeline{
		Name: "sizes", About: "adds up sizes",
		Params: []pipeline.Param{
			{Name: "names", About: "what to measure", Default: "a, bb,,ccc"},
			{Name: "unit", About: "unit shown", Default: "byte", Check: func(v string) error {
				if v != "byte" && v != "bit" {
					return fmt.Errorf("%q is no unit: want byte or bit", v)
				}
				return nil
			}},
		},
		Plan: func(d *pipeline.Definition) error {
			factor := pipeline.Const(1)
			if d.Param("unit") == "bit" {
				factor = pipeline.Const(8)
			}
			var all []pipeline.Value[size]
			for _, name := range d.List("names") {
				all = append(all, pipeline.Task(d, "measure-"+name, func(_ context.Context, j pipeline.Job) (size, error) {
					fmt.Fprintln(j.Log, "measuring", name)
					return size{name, len(name)}, nil
				}))
			}
			pipeline.Task2(d, "total", func(_ context.Context, j pipeline.Job, all []size, factor int) (string, error) {
				sum := 0
				for _, s := range all {
					sum += s.Bytes * factor
				}
				return fmt.Sprintf("%d (attempt %d)", sum, j.Attempt), nil
			}, pipeline.All(all...), factor)
			return nil
		},
	}
}

func TestValuesTravelAsJSON(t *testing.T) {
	d, err := sizes().Define(map[string]string{"unit": "bit"})
	if err != nil {
		t.Fatal(err)
	}
	graph, err := json.Marshal(d.Graph())
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"measure-a"},{"name":"measure-bb"},{"name":"measure-ccc"},{"name":"total","after":["measure-a","measure-bb","measure-ccc"]}]`
	if string(graph) != want {
		t.Errorf("graph\n got %s\nwant %s", graph, want)
	}
	done := map[string]json.RawMessage{}
	results := func(step string) (json.RawMessage, bool) { r, ok := done[step]; return r, ok }
	var log bytes.Buffer
	for _, s := range d.Graph() {
		result, err := d.Do(t.Context(), pipeline.Job{Step: s.Name, Attempt: 2, Log: &log}, results)
		if err != nil {
			t.Fatal(err)
		}
		done[s.Name] = result
	}
	if got := string(done["total"]); got != `"48 (attempt 2)"` {
		t.Errorf("total is %s", got)
	}
	if got := log.String(); got != "measuring a\nmeasuring bb\nmeasuring ccc\n" {
		t.Errorf("log: %q", got)
	}

	delete(done, "measure-bb")
	_, err = d.Do(t.Context(), pipeline.Job{Step: "total"}, results)
	wantError(t, err, "step measure-bb has no result")
	done["measure-bb"] = json.RawMessage(`{"Bytes":"many"}`)
	_, err = d.Do(t.Context(), pipeline.Job{Step: "total"}, results)
	wantError(t, err, "result of step measure-bb: json:")
	_, err = d.Do(t.Context(), pipeline.Job{Pipeline: "sizes", Step: "gone"}, results)
	wantError(t, err, `pipeline sizes has no step "gone" any more: start a new run`)
}

func TestBadParameters(t *testing.T) {
	for _, c := range []struct {
		params map[string]string
		want   string
	}{
		{map[string]string{"nams": "a"}, `parameter "nams" of pipeline sizes: unknown: did you mean "names"?`},
		{map[string]string{"zz": "", "qqqqqqqq": ""}, `parameter "qqqqqqqq" of pipeline sizes: unknown: it has names, unit`},
		{map[string]string{"unit": "mile"}, `parameter "unit" of pipeline sizes: "mile" is no unit: want byte or bit`},
	} {
		_, err := sizes().Define(c.params)
		wantError(t, err, c.want)
		var param *pipeline.ParamError
		if !errors.As(err, &param) {
			t.Errorf("%v is no ParamError", err)
		}
	}
}

func TestBadDefinitions(t *testing.T) {
	other, err := sizes().Define(nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign := pipeline.Task(other, "elsewhere", nothing)
	for _, c := range []struct {
		plan func(d *pipeline.Definition) error
		want string
	}{
		{func(*pipeline.Definition) error { return nil }, "define pipeline p: there is no step"},
		{func(*pipeline.Definition) error { return errors.New("no workspace") }, "no workspace"},
		{func(d *pipeline.Definition) error {
			pipeline.Task(d, "a", nothing)
			pipeline.Task(d, "a", nothing)
			return nil
		}, `two steps are named "a"`},
		{func(d *pipeline.Definition) error { pipeline.Task(d, "a b", nothing); return nil }, `step: the name "a b" has ' '`},
		{func(d *pipeline.Definition) error { pipeline.Task(d, "run", nothing); return nil }, `no step may be named "run": that is the run itself`},
		{func(d *pipeline.Definition) error { pipeline.Task(d, "a", nothing, foreign); return nil }, `step "a" depends on elsewhere of another definition`},
		{func(d *pipeline.Definition) error {
			pipeline.Task(d, "a", nothing)
			d.Param("colour")
			return nil
		}, `the plan reads parameter "colour": declare it in Params`},
		{func(d *pipeline.Definition) error {
			for i := range pipeline.MaxSteps + 1 {
				pipeline.Task(d, fmt.Sprintf("s%d", i), nothing)
			}
			return nil
		}, "there are 129 steps: at most 128 are allowed"},
	} {
		_, err := pipeline.Pipeline{Name: "p", Plan: c.plan}.Define(nil)
		wantError(t, err, c.want)
	}
}

func TestRegistry(t *testing.T) {
	one := func(d *pipeline.Definition) error { pipeline.Task(d, "only", nothing); return nil }
	r, err := pipeline.NewRegistry(sizes(), pipeline.Pipeline{Name: "build", About: "builds", Plan: one})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, d := range r.Describe() {
		list = append(list, fmt.Sprintf("%s: %s, %d parameters, %d steps", d.Name, d.About, len(d.Params), len(d.Steps)))
	}
	if got, want := strings.Join(list, "\n"), "build: builds, 0 parameters, 1 steps\nsizes: adds up sizes, 2 parameters, 4 steps"; got != want {
		t.Errorf("described as\n%s\nwant\n%s", got, want)
	}
	if p, err := r.Get("build"); err != nil || p.Name != "build" {
		t.Errorf("Get: %v, %v", p.Name, err)
	}
	_, err = r.Get("biuld")
	wantError(t, err, `unknown pipeline "biuld": did you mean "build"?`)
	_, err = r.Get("xyzzyxyzzy")
	wantError(t, err, `unknown pipeline "xyzzyxyzzy": there are build, sizes`)

	param := pipeline.Param{Name: "a"}
	for _, c := range []struct {
		pipelines []pipeline.Pipeline
		want      string
	}{
		{[]pipeline.Pipeline{{Name: "a b", Plan: one}}, `pipeline: the name "a b" has ' '`},
		{[]pipeline.Pipeline{{Name: "a"}}, "pipeline a has no plan"},
		{[]pipeline.Pipeline{{Name: "a", Plan: one}, {Name: "a", Plan: one}}, `two pipelines are named "a"`},
		{[]pipeline.Pipeline{{Name: "a", Plan: one, Params: []pipeline.Param{param, param}}}, `pipeline a has two parameters named "a"`},
		{[]pipeline.Pipeline{{Name: "a", Plan: one, Params: []pipeline.Param{{Name: "b.c"}}}}, `pipeline a: parameter: the name "b.c" has '.'`},
	} {
		_, err := pipeline.NewRegistry(c.pipelines...)
		wantError(t, err, c.want)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}

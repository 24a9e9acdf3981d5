// Package pipeline is the language in which pipelines are written and the pure
// half of running them: what a pipeline consists of, what a run's journal adds
// up to, and which steps may start next.
//
// # Usage
//
// A [Pipeline] has a name, declared parameters and a Plan, which lays out the
// steps of one run for one set of parameters:
//
//	pipeline.Pipeline{
//		Name:   "greet",
//		About:  "says hello",
//		Params: []pipeline.Param{{Name: "who", About: "whom to greet", Default: "world"}},
//		Plan: func(d *pipeline.Definition) error {
//			name := pipeline.Task(d, "name", func(ctx context.Context, j pipeline.Job) (string, error) {
//				return strings.ToUpper(d.Param("who")), nil
//			})
//			pipeline.Task1(d, "greet", func(ctx context.Context, j pipeline.Job, name string) (struct{}, error) {
//				_, err := fmt.Fprintln(j.Log, "hello", name)
//				return struct{}{}, err
//			}, name)
//			return nil
//		},
//	}
//
// A [Value] stands for a result that is not there yet. It can only come from a
// step that was defined before, so a definition has no cycles. Results travel
// as JSON through the run's journal: a run that was interrupted reads them from
// there and does not carry out their steps again. A step that was interrupted
// is carried out again with the next attempt, so every step is idempotent.
//
// Plan only lays out; what takes time or changes anything is done by steps. The
// steps of a run are recorded when it starts: a resumed run has those, whatever
// Plan lays out by then.
//
// # Running
//
// A [Run] is folded from the entries of a journal with [Run.Apply];
// [Run.Next] says, from nothing but that, what to do. Package coordinator
// carries it out on the bus.
//
// # Concurrency
//
// A [Registry] and the definitions it makes may be used by several goroutines
// once made. Functions of independent steps run at the same time.
//
// # Testing
//
// Scheduling is tested by the scripts in testdata: journal entries and the
// decision that follows each. The separation of definition and execution and
// the typed future values follow golang.org/x/build/internal/workflow.
package pipeline

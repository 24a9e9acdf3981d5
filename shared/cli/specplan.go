package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

// registered reads the specs that are in force on the node.
func (s *session) registered(ctx context.Context) ([]spec.Located, error) {
	kv, err := s.Bucket(ctx, events.BucketSpecs)
	if err != nil {
		return nil, fmt.Errorf("read the specs in force: %w", err)
	}
	watch, err := kv.Watch(ctx, events.DesiredKey(s.node, "")+"*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read the specs in force: %w", err)
	}
	defer func() { _ = watch.Stop() }() // the connection is closed soon
	var list []spec.Located
	for {
		select {
		case v := <-watch.Updates():
			if v == nil {
				return list, nil
			}
			one, err := spec.DecodeRegistered(v.Value())
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// plannedJSON is what becomes of one service.
type plannedJSON struct {
	Service events.Entity   `json:"service"`
	Change  spec.ChangeKind `json:"change"`
	Effect  spec.Effect     `json:"effect"`
	Fields  []plannedField  `json:"fields"`
	What    string          `json:"what"` // what is done, in words
}

type plannedField struct {
	Field  string      `json:"field"`
	Effect spec.Effect `json:"effect"`
}

// specPlan shows what applying the specs that are found would do.
func (c *call) specPlan(ctx context.Context, s *session) error {
	found, err := spec.Load(c.app.Specs(c.node))
	if err = errors.Join(err, spec.Check(found)); err != nil {
		return err
	}
	old, err := s.registered(ctx)
	if err != nil {
		return err
	}
	st := s.view.State()
	found = spec.WithReplicas(found)
	enabled := map[spec.ServiceID]bool{}
	for _, f := range found {
		enabled[f.ID] = f.InProfile(c.node.Profiles)
	}
	plan := []plannedJSON{}
	for _, change := range spec.Plan(old, found) {
		row := plannedJSON{Service: events.Entity(change.ID), Change: change.Kind, Effect: change.Effect, Fields: []plannedField{}}
		for _, f := range change.Fields {
			row.Fields = append(row.Fields, plannedField{f.Field, f.Effect})
		}
		row.What = consequence(change, st.Services[row.Service], enabled[change.ID])
		plan = append(plan, row)
	}
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, plan)
	}
	if len(plan) == 0 {
		return c.out.Print(c.out.Mark(ui.OK) + "the specs in force say the same: nothing is to be done")
	}
	var lines []string
	for _, row := range plan {
		lines = append(lines, c.out.Mark(planTone(row.Effect))+c.out.Bold(string(row.Service))+"  "+string(row.Change)+": "+row.What)
		for _, f := range row.Fields {
			lines = append(lines, c.out.Dim("    "+render.Clean(f.Field)+"  "+string(f.Effect)))
		}
	}
	return c.out.Print(lines...)
}

func planTone(e spec.Effect) ui.Tone {
	switch e {
	case spec.StartProcess:
		return ui.OK
	case spec.StopProcess, spec.RestartProcess:
		return ui.Warn
	}
	return ui.Idle
}

// consequence says what a change does to a service as it is.
func consequence(change spec.Change, v state.Service, enabled bool) string {
	running := v.Alive() && v.PID > 0
	switch {
	case change.Effect == spec.StartProcess && enabled:
		return "it is started"
	case change.Effect == spec.StartProcess:
		return "it is registered; no profile of the node enables it"
	case change.Effect == spec.StopProcess && running:
		return fmt.Sprintf("it is stopped (pid %d) and forgotten", v.PID)
	case change.Effect == spec.StopProcess:
		return "it is forgotten"
	case change.Effect == spec.RestartProcess && running:
		return fmt.Sprintf("its instance (pid %d) is replaced", v.PID)
	case change.Effect == spec.RestartProcess && v.Desired.Running && (v.State == state.ServiceFailed || v.State == state.ServiceBackoff):
		return "it begins anew"
	case change.Effect == spec.RestartProcess:
		return "it has the change from its next start on"
	case change.Effect == spec.Reload && running:
		return fmt.Sprintf("it goes on running (pid %d)", v.PID)
	case change.Effect == spec.Reload:
		return "it is registered anew"
	}
	return "nothing is to be done"
}

// specApply asks procd to read the specs again.
func (c *call) specApply(ctx context.Context, s *session) error {
	a := action(ui.ActionApply)
	limit, cancel := context.WithTimeout(ctx, value[time.Duration](c, "timeout"))
	defer cancel()
	to, body := a.Request(ui.Target{Node: s.node})
	id, err := s.Send(limit, to, body)
	if err != nil {
		return err
	}
	if !value[bool](c, "wait") {
		return c.out.Print(c.out.Mark(ui.Idle) + "requested")
	}
	o, _, err := s.outcome(limit, a, id)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{Err: fmt.Errorf("no outcome within %s", value[time.Duration](c, "timeout")), Fix: "see `" + c.app.Name + " status`"}
	case err != nil:
		return err
	case o.State == state.OutcomeCompleted:
		return c.out.Print(c.out.Mark(ui.OK) + "the specs are in force")
	}
	return &Problem{
		Err: fmt.Errorf("the specs are not in force as they should be: %s", strings.ReplaceAll(render.Clean(o.Reason), "\n", "; ")),
		Fix: "`" + c.app.Name + " spec validate` checks them, `" + c.app.Name + " status` shows what became of the services",
	}
}

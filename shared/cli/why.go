package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/ui"
)

func whyCommand() *command {
	return &command{
		name: "why", args: "SERVICE", about: "say why a service is in its state, and what to do", node: true,
		long: "Shows the chain of reasons down to what it ends at, the latest facts behind it with their causes, and the commands that\n" +
			"fit. Times are in UTC.",
		examples: []string{"why alpha", "why alpha --output json"},
		flags:    outputs("text", "json"),
		complete: completeOne,
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(1, 1); err != nil {
				return err
			}
			return c.withSession(ctx, c.why)
		},
	}
}

// completeOne completes the one service that a command is about.
func completeOne(ctx context.Context, c *call) []string {
	if len(c.args) > 0 {
		return nil
	}
	return c.serviceNames(ctx)
}

func (c *call) why(ctx context.Context, s *session) error {
	id := events.Entity(c.args[0])
	st, source, err := c.supervised(ctx, s, c.args[0])
	if err != nil {
		return err
	}
	facts, err := c.history(ctx, s.Conn, source, id)
	if err != nil {
		return err
	}
	w, _ := ui.Explain(st, id, ui.WhyOptions{Now: time.Now(), Facts: facts, Policy: s.policy(ctx, id), Decided: s.decided(ctx, id), Program: c.app.Name})
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, w)
	}
	return c.out.Print(whyLines(c.out, w)...)
}

// policy is a service's restart policy; nil where its spec is not on the bus.
func (s *session) policy(ctx context.Context, id events.Entity) *process.Policy {
	value := s.kept(ctx, events.BucketSpecs, id)
	var registered struct {
		Spec json.RawMessage `json:"spec"`
	}
	if json.Unmarshal(value, &registered) != nil {
		return nil
	}
	service, err := spec.Parse(string(id), registered.Spec)
	if err != nil {
		return nil
	}
	p := process.PolicyOf(service)
	return &p
}

// decided is what operators decided about a service; nil where they did not.
func (s *session) decided(ctx context.Context, id events.Entity) *events.Desired {
	var d events.Desired
	if json.Unmarshal(s.kept(ctx, events.BucketDesired, id), &d) != nil {
		return nil
	}
	return &d
}

// kept is what a bucket has of a service; nil for nothing.
func (s *session) kept(ctx context.Context, bucket string, id events.Entity) []byte {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	kv, err := s.Bucket(ctx, bucket)
	if err != nil {
		return nil
	}
	entry, err := kv.Get(ctx, events.DesiredKey(s.node, id))
	if err != nil {
		return nil
	}
	return entry.Value()
}

// maxFact is how much of a fact's text is shown; what is longer is a reason too, or
// `events` has it.
const maxFact = 72

func brief(text string) string {
	letters := []rune(render.Clean(text))
	if len(letters) <= maxFact {
		return string(letters)
	}
	return string(letters[:maxFact-1]) + "…"
}

// whyLines is an explanation as text.
func whyLines(s *render.Stream, w ui.Why) []string {
	lines := []string{s.Mark(w.State.Tone) + s.Bold(render.Clean(w.Headline)), ""}
	for _, r := range w.Reasons {
		subject := ""
		if r.Depth > 0 && !strings.HasPrefix(r.Text, string(r.Subject)) {
			subject = string(r.Subject) + ": "
		}
		lines = append(lines, "  "+strings.Repeat("  ", r.Depth)+s.Mark(r.Tone)+s.Tone(r.Tone, render.Clean(subject+r.Text)))
	}
	if len(w.Lines) > 0 {
		lines = append(lines, "", s.Bold("its last lines"))
		for _, l := range w.Lines {
			lines = append(lines, s.Dim("  │ ")+render.Clean(l))
		}
	}
	if len(w.Facts) > 0 {
		lines = append(lines, "", s.Bold("facts behind it"))
		for _, f := range w.Facts {
			line := fmt.Sprintf("  %6d  %s  %s  %s", f.Seq, s.Dim(f.Time.UTC().Format(clock)), s.Tone(factTone(f.Type), fmt.Sprintf("%-18s", f.Type)), brief(f.Text))
			if f.Cause != "" {
				line = strings.TrimRight(line, " ") + s.Dim("  ← "+render.Clean(f.Cause))
			}
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	if len(w.Fixes) > 0 {
		lines = append(lines, "", s.Bold("what to do"))
		width := 0
		for _, f := range w.Fixes {
			width = max(width, len(f.Command))
		}
		for _, f := range w.Fixes {
			lines = append(lines, fmt.Sprintf("  %-*s  %s", width, f.Command, s.Dim(f.About)))
		}
	}
	return lines
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/ui"
)

func upCommand() *command {
	return &command{
		name: "up", about: "bring the node up, and keep it up", node: true,
		long: "Brings the node up stage by stage: config, bus, edge, controller, pipelines, services, shells. It stays in the\n" +
			"foreground until Ctrl-C or `down`, and then takes everything down in reverse; with --detach it returns when\n" +
			"the node is up. A stage that fails says why, and what had started is taken down again.",
		examples: []string{"up", "up --detach", "up --profile default --profile demo", "up --bus.store file --root /var/lib/core"},
		flags: func(f *flags) {
			f.Bool("detach", false, "return when the node is up")
			f.Int(progressFlag, 0, "file descriptor that gets the progress as JSON lines, for a launcher that waits")
		},
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(0, 0); err != nil {
				return err
			}
			switch {
			case value[int](c, progressFlag) > 0:
				return c.upFor(ctx, value[int](c, progressFlag))
			case value[bool](c, "detach"):
				return c.detach(ctx)
			}
			return c.up(ctx)
		},
	}
}

// up brings the node up in the foreground.
func (c *call) up(ctx context.Context) error {
	show := render.NewBoot(c.err)
	var up atomic.Bool
	err := c.app.Up(ctx, Boot{
		Config: c.node, Environ: c.environ, Progress: show.Show,
		Up: func(s Summary) {
			up.Store(true)
			_ = c.out.Print(summaryLines(c.out, s)...)
			_ = c.err.Print("", c.err.Dim(fmt.Sprintf("Ctrl-C, or `%s down` elsewhere, takes it down.", c.app.Name)))
		},
	})
	show.Close()
	if ctx.Err() != nil && !up.Load() {
		// Whatever stage the signal met failed because of it.
		c.note("interrupted before the node was up; what had started was taken down")
		return interrupted(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return interrupted(ctx)
}

// summaryLines says what is up.
func summaryLines(s *render.Stream, sum Summary) []string {
	page := ui.Build(sum.State, ui.Options{Now: time.Now()})
	var stages []string
	for _, g := range sum.Stages {
		stages = append(stages, fmt.Sprintf("%s %s", g.Stage, ui.Took(g.Took)))
	}
	lines := []string{
		"",
		fmt.Sprintf("%s%s in %s: %s", s.Mark(page.Node.State.Tone), s.Bold("node "+string(page.Node.Name)+" is "+page.Node.State.Text), ui.Took(sum.Took), page.Node.Summary),
		s.Dim("  " + strings.Join(stages, " · ")),
	}
	if len(page.Services) > 0 {
		lines = append(append(lines, ""), servicesTable("SERVICE", page.Services, page.Groups).Lines(s)...)
	}
	for _, a := range page.Alerts {
		lines = append(append(lines, ""), alertLines(s, a)...)
	}
	lines = append(lines, "")
	for _, place := range [][2]string{{"bus", redact(sum.BusURL)}, {"edge", sum.EdgeURL}, {"console", sum.ConsoleURL}} {
		if place[1] != "" {
			lines = append(lines, fmt.Sprintf("%-8s %s", place[0], s.Bold(place[1])))
		}
	}
	return lines
}

// launcherArgs are the arguments of a launcher with the same settings as this one.
func (c *call) launcherArgs() []string {
	args := []string{"up"}
	for _, s := range c.set.Settings() {
		// What the environment says, it says to the other one too; files and
		// paths stay what they are because the directory stays.
		if s.Origin.Kind != config.FromFlag || s.Name == "detach" {
			continue
		}
		args = append(args, "--"+s.Name+"="+s.Value)
	}
	return args
}

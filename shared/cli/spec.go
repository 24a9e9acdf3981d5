package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"core.internal/shared/cli/render"
	"core.internal/shared/spec"
	"core.internal/shared/ui"
)

func specCommand() *command {
	return &command{
		name: "spec", about: "show and check the documents that describe services",
		subs: []*command{
			{
				name: "list", about: "show the specs that the node finds", node: true, flags: outputs("table", "json"),
				exec: func(_ context.Context, c *call) error { return c.specList() },
			},
			{
				name: "explain", args: "SERVICE", about: "show every member of a service's spec: its value, where that is from and what it means", node: true,
				flags: outputs("table", "json"), complete: func(ctx context.Context, c *call) []string { return c.serviceNames(ctx) },
				examples: []string{"spec explain alpha", "spec explain alpha --output json"},
				exec:     func(_ context.Context, c *call) error { return c.specExplain() },
			},
			{
				name: "render", args: "SERVICE", about: "show a spec with its defaults and with placeholders replaced", node: true,
				long: "Ports and the instance are those of the running node; where the service does not run they stay as placeholders, and a\n" +
					"note says so. Secrets are never shown: they stay {secret.NAME}. Variables of the supervisor's environment stay too. A\n" +
					"service with replicas is a list of theirs; the id of one of them is that one's spec.",
				examples: []string{"spec render alpha", "spec render shop-1"},
				complete: func(ctx context.Context, c *call) []string { return c.serviceNames(ctx) },
				exec:     func(ctx context.Context, c *call) error { return c.specRender(ctx) },
			},
			{
				name: "plan", about: "show what applying the specs that are found would do to the running node", node: true, flags: outputs("table", "json"),
				exec: func(ctx context.Context, c *call) error {
					if err := c.arguments(0, 0); err != nil {
						return err
					}
					return c.withSession(ctx, c.specPlan)
				},
			},
			{
				name: "apply", about: action(ui.ActionApply).About, node: true,
				long: "A node that watches its specs does so by itself, unless specs.apply is manual. Services that the change does not concern\n" +
					"go on as they are; `spec plan` shows which it does.",
				flags: func(f *flags) {
					f.Bool("wait", true, "return when it is done; --wait=false when it is asked for")
					f.within("timeout", defaultPatience, "how long to wait")
				},
				exec: func(ctx context.Context, c *call) error {
					if err := c.arguments(0, 0); err != nil {
						return err
					}
					return c.withSession(ctx, c.specApply)
				},
			},
			{
				name: "schema", about: "print the JSON Schema of a spec",
				exec: func(_ context.Context, c *call) error {
					if err := c.arguments(0, 0); err != nil {
						return err
					}
					schema, err := spec.Schema()
					if err != nil {
						return err
					}
					_, err = c.out.Write(append(bytes.TrimSpace(schema), '\n'))
					return err
				},
			},
			{
				name: "validate", args: "[FILE|DIR]…", about: "check spec files beside each other, as up does", node: true,
				long: "Takes spec files and directories with *.json or */service.json, and without any those that the node finds. Checked\n" +
					"beside each other, they may also depend on services that the node finds. No node has to run.",
				examples: []string{"spec validate", "spec validate new/service.json", "spec validate services"},
				exec:     func(_ context.Context, c *call) error { return c.specValidate() },
			},
		},
	}
}

func (c *call) specValidate() error {
	dirs, others := c.app.Specs(c.node), []spec.Located(nil)
	if len(c.args) > 0 {
		known, err := spec.Load(dirs)
		if err != nil {
			c.note("not all specs of the node can be read; `" + c.command.words(c.app.Name) + "` alone tells why")
		}
		others = known
		dirs = spec.Dirs{}
		for _, arg := range c.args {
			if info, err := os.Stat(arg); err == nil && info.IsDir() {
				dirs.Extra = append(dirs.Extra, arg)
			} else {
				dirs.Files = append(dirs.Files, arg)
			}
		}
	}
	specs, err := spec.Load(dirs)
	if err = errors.Join(err, spec.Check(specs, others...)); err == nil && len(specs) == 0 {
		return &Problem{Err: errors.New("there are no specs to check"), Fix: "name files, or directories with *.json or */service.json"}
	}
	wrong := map[string]bool{}
	for _, one := range split(err) {
		var at *spec.Error
		if errors.As(one, &at) {
			wrong[at.File] = true
		}
	}
	for _, s := range specs {
		if wrong[s.File] {
			continue
		}
		if err := c.out.Print(fmt.Sprintf("%s%s  %s", c.out.Mark(ui.OK), s.File, s.ID)); err != nil {
			return err
		}
	}
	return err
}

// specJSON is one spec in a list.
type specJSON struct {
	ID           spec.ServiceID    `json:"id"`
	Name         string            `json:"name"`
	File         string            `json:"file"`
	Digest       string            `json:"digest"`
	Enabled      bool              `json:"enabled"` // by the profiles of the settings
	Profiles     []string          `json:"profiles"`
	Dependencies []spec.Dependency `json:"dependencies"`
}

func (c *call) specList() error {
	if err := c.arguments(0, 0); err != nil {
		return err
	}
	specs, loadErr := spec.Load(c.app.Specs(c.node))
	all := []specJSON{}
	for _, s := range specs {
		all = append(all, specJSON{
			ID: s.ID, Name: s.DisplayName, File: s.File, Digest: s.Digest, Enabled: s.InProfile(c.node.Profiles),
			Profiles: append([]string{}, s.Profiles...), Dependencies: append([]spec.Dependency{}, s.Dependencies...),
		})
	}
	err := c.printSpecs(all)
	if loadErr == nil {
		loadErr = spec.Check(specs)
	}
	return errors.Join(err, loadErr)
}

func (c *call) printSpecs(all []specJSON) error {
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, all)
	}
	t := &render.Table{Columns: []render.Column{
		{Title: "SERVICE"}, {Title: "NAME", Drop: 2}, {Title: "ENABLED"}, {Title: "PROFILES", Drop: 1}, {Title: "DEPENDS ON", Flex: true}, {Title: "FILE", Flex: true},
	}}
	for _, s := range all {
		enabled := render.Toned("no", ui.Idle)
		if s.Enabled {
			enabled = render.Toned("yes", ui.OK)
		}
		var depends []string
		for _, d := range s.Dependencies {
			depends = append(depends, d.String())
		}
		t.Add(render.Cell{Text: string(s.ID), Bold: true}, render.Text(s.Name), enabled, render.Text(strings.Join(s.Profiles, ", ")),
			render.Text(strings.Join(depends, ", ")), render.Text(s.File))
	}
	return c.out.Print(t.Lines(c.out)...)
}

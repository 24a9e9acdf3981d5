package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

// specOf finds the spec of a service that is the argument; the spec of replicas
// stands for the first of them.
func (c *call) specOf() (spec.Located, error) {
	if err := c.arguments(1, 1); err != nil {
		return spec.Located{}, err
	}
	found, err := spec.Load(c.app.Specs(c.node))
	var known []string
	for _, s := range spec.WithReplicas(found) {
		if id := c.args[0]; string(s.ID) == id || string(s.ReplicaOf) == id {
			return s, nil
		}
		known = append(known, string(s.ID))
	}
	return spec.Located{}, errors.Join(unknownEntity("service", c.args[0], known), err)
}

// specExplain shows every member of a spec.
func (c *call) specExplain() error {
	s, err := c.specOf()
	if err != nil {
		return err
	}
	all := spec.Explain(s)
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, all)
	}
	t := &render.Table{Columns: []render.Column{{Title: "MEMBER"}, {Title: "VALUE", Flex: true}, {Title: "FROM"}, {Title: "MEANING", Flex: true, Drop: 1}}}
	for _, e := range all {
		from := render.Toned(e.From, ui.Idle)
		if e.Place != "" {
			from = render.Text(e.Place)
		}
		t.Add(render.Cell{Text: e.Field, Bold: e.From == "spec"}, render.Text(e.Value), from, render.Toned(e.Doc, ui.Idle))
	}
	return c.out.Print(t.Lines(c.out)...)
}

// specRender shows a spec as its service gets it.
func (c *call) specRender(ctx context.Context) error {
	s, err := c.specOf()
	if err != nil {
		return err
	}
	layout := c.node.Layout()
	id := string(s.ID)
	vars := spec.Vars{
		Bin: layout.Bin(), ConfigDir: layout.Conf(id), DataDir: layout.Data(id), LogDir: layout.Logs(),
		Node: c.node.Name, NodeDir: layout.Dir, Instance: "{instance}", Ports: map[string]int{},
	}
	err = c.withSession(ctx, func(_ context.Context, session *session) error {
		v := session.view.State().Services[events.Entity(id)]
		if v.State == state.ServiceRunning {
			vars.Instance = v.Instance
		}
		for _, p := range v.Ports {
			vars.Ports[p.Name] = p.Port
		}
		return nil
	})
	if problem := (*Problem)(nil); err != nil && !errors.As(err, &problem) {
		return err
	}
	shown, err := s.Redacted(vars)
	if err != nil {
		return err
	}
	var unknown []string
	for _, p := range shown.AllPorts() {
		if p.Port.Port == 0 {
			unknown = append(unknown, p.Name)
		}
	}
	if len(unknown) > 0 {
		c.note(fmt.Sprintf("the service does not run, so that these ports have no number yet: %s", strings.Join(unknown, ", ")))
	}
	return printJSON(c.out, shown.Service)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

// specsOf finds the spec of a service that is the argument; where it has replicas, those
// of all of them, and whether that is so.
func (c *call) specsOf() (list []spec.Located, replicas bool, err error) {
	if err := c.arguments(1, 1); err != nil {
		return nil, false, err
	}
	found, err := spec.Load(c.app.Specs(c.node))
	var known []string
	for _, s := range spec.WithReplicas(found) {
		switch id := c.args[0]; id {
		case string(s.ID):
			return []spec.Located{s}, false, nil
		case string(s.ReplicaOf):
			list = append(list, s)
		}
		known = append(known, string(s.ID))
	}
	if len(list) > 0 {
		slices.SortFunc(list, func(a, b spec.Located) int { return a.Replica - b.Replica })
		return list, true, nil
	}
	return nil, false, errors.Join(unknownEntity("service", c.args[0], known), err)
}

// specExplain shows every member of a spec.
func (c *call) specExplain() error {
	list, _, err := c.specsOf()
	if err != nil {
		return err
	}
	all := spec.Explain(list[0]) // replicas differ in their ids
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

// specRender shows a spec as its service gets it; as a list where it is of replicas.
func (c *call) specRender(ctx context.Context) error {
	list, replicas, err := c.specsOf()
	if err != nil {
		return err
	}
	var now map[events.Entity]state.Service
	err = c.withSession(ctx, func(_ context.Context, session *session) error {
		now = session.view.State().Services
		return nil
	})
	if problem := (*Problem)(nil); err != nil && !errors.As(err, &problem) {
		return err
	}
	var all []rendered
	var down, ports []string // without number, and of whom
	for _, s := range list {
		one, unknown, err := c.rendered(s, now[events.Entity(s.ID)])
		if err != nil {
			return err
		}
		all = append(all, one)
		if len(unknown) > 0 {
			down, ports = append(down, string(s.ID)), unknown
		}
	}
	if !replicas {
		if len(down) > 0 {
			c.note(fmt.Sprintf("the service does not run, so that these ports have no number yet: %s", strings.Join(ports, ", ")))
		}
		return printJSON(c.out, all[0])
	}
	c.note(fmt.Sprintf("%s has %d replicas, each a service of its own: `spec render %s` shows one of them", c.args[0], len(all), list[0].ID))
	if len(down) > 0 {
		c.note(fmt.Sprintf("%d of them do not run, so that these ports of theirs have no number yet: %s", len(down), strings.Join(ports, ", ")))
	}
	return printJSON(c.out, all)
}

// rendered is a spec for people to read.
type rendered struct {
	spec.Service
	Ports *renderedPorts `json:"ports,omitempty"` // in place of the service's
}

type renderedPorts struct {
	Primary    *renderedPort  `json:"primary,omitempty"`
	Additional []renderedPort `json:"additional,omitempty"`
}

// renderedPort has the number, or else the range that it will be of.
type renderedPort struct {
	Name   string `json:"name,omitempty"`
	Number *int   `json:"port,omitempty"` // in place of the port's
	ported
}

type ported = spec.Port

func portOf(name string, p spec.Port) renderedPort {
	r := renderedPort{Name: name, ported: p}
	if p.Range == "" {
		r.Number = &p.Port
	}
	return r
}

// rendered puts into a spec what is known of the service on the node; unknown are the
// ports without number.
func (c *call) rendered(s spec.Located, v state.Service) (r rendered, unknown []string, err error) {
	layout := c.node.Layout()
	id := string(s.ID)
	vars := spec.Vars{
		Bin: layout.Bin(), ConfigDir: layout.Conf(id), DataDir: layout.Data(id), LogDir: layout.Logs(),
		Node: c.node.Name, NodeDir: layout.Dir, Instance: "{instance}", Ports: map[string]int{},
	}
	if v.State == state.ServiceRunning {
		vars.Instance = v.Instance
	}
	for _, p := range v.Ports {
		vars.Ports[p.Name] = p.Port
	}
	shown, err := s.Redacted(vars)
	if err != nil {
		return rendered{}, nil, err
	}
	r.Service = shown.Service
	for _, p := range shown.AllPorts() {
		if p.Port.Port == 0 {
			unknown = append(unknown, p.Name)
		}
	}
	if p := shown.Ports.Primary; p != nil {
		r.Ports = &renderedPorts{Primary: new(portOf("", *p))}
	}
	for _, p := range shown.Ports.Additional {
		if r.Ports == nil {
			r.Ports = &renderedPorts{}
		}
		r.Ports.Additional = append(r.Ports.Additional, portOf(p.Name, p.Port))
	}
	return r, unknown, nil
}

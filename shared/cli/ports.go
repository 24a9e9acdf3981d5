package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/process/ports"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

func portsCommand() *command {
	return &command{
		name: "ports", about: "show who has which port, and give back those that are lost",
		subs: []*command{
			{
				name: "list", about: "show the ports of services, and who holds those that a service wants and has not", node: true,
				flags: outputs("table", "json"),
				exec: func(ctx context.Context, c *call) error {
					if err := c.arguments(0, 0); err != nil {
						return err
					}
					return c.withSession(ctx, c.portsList)
				},
			},
			{
				name: "reclaim", args: "PORT|SERVICE", about: "end what a service of this node left over and holds a port", node: true,
				long: "Only a process that a service of this node started and that no supervisor has any more is ended: it has this node in its\n" +
					"environment, and no record is about it. Everything else is shown and left alone. No node has to run.",
				examples: []string{"ports reclaim 8080", "ports reclaim web --yes"},
				flags: func(f *flags) {
					f.Bool("yes", false, "do not ask")
					f.within("timeout", 10*time.Second, "how long it may take to end before it is killed")
				},
				complete: func(ctx context.Context, c *call) []string { return c.serviceNames(ctx) },
				exec: func(ctx context.Context, c *call) error {
					if err := c.arguments(1, 1); err != nil {
						return err
					}
					return c.portsReclaim(ctx)
				},
			},
		},
	}
}

// portJSON is one port that a service has.
type portJSON struct {
	Port     int           `json:"port"`
	Protocol string        `json:"protocol"`
	Service  events.Entity `json:"service"`
	Name     string        `json:"name"`
	PID      int           `json:"pid"`
	Address  string        `json:"address"`
	Source   string        `json:"source"` // fixed, range or auto
}

// conflictJSON is a port that a service wants and somebody else holds.
type conflictJSON struct {
	Port     int           `json:"port"`
	Protocol string        `json:"protocol"`
	Service  events.Entity `json:"service"`
	PID      int           `json:"pid"` // of the holder; 0 where it cannot be seen
	Command  string        `json:"command"`
	User     string        `json:"user"`
	Orphan   bool          `json:"orphan"` // left over from a service of this node
	Fix      string        `json:"fix"`
}

func (c *call) portsList(ctx context.Context, s *session) error {
	st := s.view.State()
	registered, err := s.registered(ctx)
	if err != nil {
		return err
	}
	list, conflicts := havePorts(st), c.conflicts(st, registered)
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, struct {
			Ports     []portJSON     `json:"ports"`
			Conflicts []conflictJSON `json:"conflicts"`
		}{list, conflicts})
	}
	t := &render.Table{Columns: []render.Column{
		{Title: "PORT", Right: true}, {Title: "PROTOCOL"}, {Title: "SERVICE"}, {Title: "NAME", Drop: 2}, {Title: "PID", Right: true}, {Title: "ADDRESS", Drop: 1}, {Title: "SOURCE"},
	}}
	for _, p := range list {
		t.Add(render.Text(strconv.Itoa(p.Port)), render.Text(p.Protocol), render.Cell{Text: string(p.Service), Bold: true}, render.Text(p.Name),
			render.Text(strconv.Itoa(p.PID)), render.Text(p.Address), render.Text(p.Source))
	}
	lines := t.Lines(c.out)
	if t.Empty() {
		lines = []string{"no service has a port"}
	}
	for _, p := range conflicts {
		lines = append(lines, "", c.out.Mark(ui.Bad)+render.Clean(fmt.Sprintf("port %d/%s, which %s wants, is held by %s", p.Port, p.Protocol, p.Service, p.holder())),
			"  "+c.out.Bold("fix:")+" "+p.Fix)
	}
	return c.out.Print(lines...)
}

func (p conflictJSON) holder() string {
	text := ports.Holder{PID: p.PID, Command: p.Command, User: p.User}.String()
	if p.Orphan {
		text += ", left over from a service of this node"
	}
	return text
}

// havePorts lists the ports of services that run.
func havePorts(st state.State) []portJSON {
	list := []portJSON{}
	for _, v := range st.SortedServices() {
		for _, p := range v.Ports {
			row := portJSON{p.Port, p.Protocol, v.ID, p.Name, v.PID, p.Address, p.Source}
			if row.Address == "" {
				row.Address = "127.0.0.1"
			}
			list = append(list, row)
		}
	}
	slices.SortStableFunc(list, func(a, b portJSON) int { return a.Port - b.Port })
	return list
}

// conflicts finds the ports that somebody holds who is not the service that is
// to have them.
func (c *call) conflicts(st state.State, registered []spec.Located) []conflictJSON {
	list := []conflictJSON{}
	add := func(v state.Service, protocol string, port int) {
		network := ports.Network(protocol)
		h, held := ports.HolderOn(network, port)
		if !held || v.PID > 0 && (h.PID == 0 || runner.Belongs(h.PID, v.Instance, v.PID)) {
			return
		}
		row := conflictJSON{Port: port, Protocol: network, Service: v.ID, PID: h.PID, Command: h.Command, User: h.User}
		row.Orphan, row.Fix = c.remedy(h, port)
		list = append(list, row)
	}
	for _, v := range st.SortedServices() {
		for _, p := range v.Ports {
			add(v, p.Protocol, p.Port)
		}
	}
	for _, s := range registered {
		v, ok := st.Services[events.Entity(s.ID)]
		if !ok || v.Alive() || !v.Desired.Running {
			continue
		}
		for _, p := range s.AllPorts() {
			if p.Port.Port > 0 {
				add(v, p.Protocol, p.Port.Port)
			}
		}
	}
	return list
}

// remedy says what to do about who holds a port.
func (c *call) remedy(h ports.Holder, port int) (orphan bool, fix string) {
	o, ours := runner.OwnerOf(c.node.Layout(), h.PID)
	switch {
	case ours && !o.Supervised:
		return true, fmt.Sprintf("`%s ports reclaim %d` ends it", c.app.Name, port)
	case ours:
		return false, fmt.Sprintf("it is of service %s: `%s stop %s`, or give one of them another port", o.Service, c.app.Name, o.Service)
	}
	return false, "stop it, or give the service another port; it is no process of this node"
}

// portsReclaim ends the orphans that hold the ports of its argument.
func (c *call) portsReclaim(ctx context.Context) error {
	wanted, err := c.portsOf(c.args[0])
	if err != nil {
		return err
	}
	var errs []error
	found := false
	for _, k := range wanted {
		h, held := ports.HolderOn(k.Network, k.Port)
		if !held {
			continue
		}
		found = true
		errs = append(errs, c.reclaim(ctx, k, h))
	}
	if !found {
		return c.out.Print(c.out.Mark(ui.OK) + "nobody holds it")
	}
	return errors.Join(errs...)
}

// portsOf is the port of that number, or the fixed ones of a service.
func (c *call) portsOf(arg string) ([]ports.Key, error) {
	if n, err := strconv.Atoi(arg); err == nil {
		if n < 1 || n > 65535 {
			return nil, c.usageError(fmt.Errorf("%d is no port: want a number from 1 to 65535, or a service", n))
		}
		return []ports.Key{{Network: "tcp", Port: n}, {Network: "udp", Port: n}}, nil
	}
	specs, loadErr := spec.Load(c.app.Specs(c.node))
	var known []string
	for _, s := range spec.WithReplicas(specs) {
		known = append(known, string(s.ID))
		if string(s.ID) != arg {
			continue
		}
		var list []ports.Key
		for _, p := range s.AllPorts() {
			if p.Port.Port > 0 {
				list = append(list, ports.Key{Network: ports.Network(p.Protocol), Port: p.Port.Port})
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("service %s has no fixed port: it gets one that is free", arg)
		}
		return list, nil
	}
	return nil, errors.Join(unknownEntity("service", arg, known), loadErr)
}

func (c *call) reclaim(ctx context.Context, k ports.Key, h ports.Holder) error {
	o, ours := runner.OwnerOf(c.node.Layout(), h.PID)
	what := fmt.Sprintf("port %d/%s is held by %s", k.Port, k.Network, render.Clean(h.String()))
	if !ours || o.Supervised {
		_, fix := c.remedy(h, k.Port)
		return &Problem{Err: errors.New(what + ", which is left alone"), Fix: fix}
	}
	if !value[bool](c, "yes") {
		if err := c.err.Print(fmt.Sprintf("%s, left over from service %s of this node. End it? [y/N] ", what, o.Service)); err != nil {
			return err
		}
		if !c.agreed() {
			return &Problem{Err: errors.New("nothing was ended"), Fix: "answer y, or say --yes"}
		}
	}
	if err := o.End(ctx, c.node.Layout(), value[time.Duration](c, "timeout")); err != nil {
		return err
	}
	return c.out.Print(c.out.Mark(ui.OK) + fmt.Sprintf("port %d/%s is free: pid %d, left over from service %s, has ended; a service that failed for want of it is started with `%s restart`",
		k.Port, k.Network, o.PID, o.Service, c.app.Name))
}

// agreed reads the answer to a question.
func (c *call) agreed() bool {
	if c.stdin == nil {
		return false
	}
	line, err := bufio.NewReader(io.LimitReader(c.stdin, 1<<10)).ReadString('\n')
	if err != nil && line == "" {
		return false
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

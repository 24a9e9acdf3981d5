package cli

import (
	"strconv"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/ui"
)

// maxRuns is how many runs `status` shows; `pipeline status` shows all.
const maxRuns = 5

// pageLines is a page as text.
func pageLines(s *render.Stream, p ui.Page) []string {
	return pageText(s, p, servicesTable("SERVICE", p.Services, p.Groups))
}

// pageText is a page with a table of its services.
func pageText(s *render.Stream, p ui.Page, services *render.Table) []string {
	head := s.Bold("node "+string(p.Node.Name)) + "  " + s.Mark(p.Node.State.Tone) + s.Tone(p.Node.State.Tone, p.Node.State.Text) + "  " + p.Node.Summary
	if p.Node.Age != "" {
		head += s.Dim("  for " + p.Node.Age)
	}
	if p.Node.EdgeURL != "" {
		head += "  " + p.Node.EdgeURL
	}
	lines := []string{head}
	add := func(t *render.Table) {
		if !t.Empty() {
			lines = append(append(lines, ""), t.Lines(s)...)
		}
	}
	add(stagesTable(p.Stages))
	add(servicesTable("DAEMON", p.Daemons, nil))
	add(services)
	add(runsTable(p.Runs[:min(len(p.Runs), maxRuns)]))
	add(routesTable(p.Routes))
	for _, a := range p.Alerts {
		lines = append(append(lines, ""), alertLines(s, a)...)
	}
	return lines
}

func stagesTable(stages []ui.Stage) *render.Table {
	t := &render.Table{Columns: []render.Column{
		{Title: "STAGE"}, {Title: "STATE"}, {Title: "TOOK", Right: true}, {Title: "AGE", Right: true, Drop: 1}, {Title: "REASON", Flex: true},
	}}
	for _, g := range stages {
		t.Add(render.Text(string(g.Name)), render.Badge(g.State), render.Text(g.Took), render.Toned(g.Age, ui.Idle), render.Text(g.Reason))
	}
	return t
}

// servicesTable has replicas below a row for all of them.
func servicesTable(title string, services []ui.Service, groups []ui.Group) *render.Table {
	t := &render.Table{Columns: []render.Column{
		{Title: title}, {Title: "DESIRED", Drop: 6}, {Title: "STATE"}, {Title: "HEALTH"},
		{Title: "PID", Right: true, Drop: 3}, {Title: "RESTARTS", Right: true, Drop: 5}, {Title: "AGE", Right: true, Drop: 2},
		{Title: "PORTS", Drop: 4}, {Title: "ADDRESS", Drop: 1}, {Title: "REASON", Flex: true},
	}}
	heads := map[events.Entity]ui.Group{}
	for _, g := range groups {
		heads[g.ID] = g
	}
	for _, v := range services {
		indent := ""
		if v.Group != "" {
			indent = "  "
		}
		if g, ok := heads[v.Group]; ok {
			delete(heads, v.Group)
			cells := make([]render.Cell, len(t.Columns))
			cells[0], cells[2] = render.Cell{Text: string(g.ID), Bold: true}, render.Badge(g.State)
			t.Add(cells...)
		}
		pid := ""
		if v.PID > 0 {
			pid = strconv.Itoa(v.PID)
		}
		t.Add(
			render.Cell{Text: indent + string(v.ID), Bold: true}, render.Text(v.Desired), render.Badge(v.State), render.Badge(v.Health),
			render.Text(pid), restarts(v.Restarts), render.Toned(v.Age, ui.Idle), render.Text(v.PortsText), render.Text(v.Address), render.Text(v.Reason),
		)
	}
	return t
}

// wideTable shows services with what their processes use.
func wideTable(services []ui.Service) *render.Table {
	t := &render.Table{Columns: []render.Column{
		{Title: "SERVICE"}, {Title: "STATE"}, {Title: "HEALTH"}, {Title: "CHECK", Right: true, Drop: 3}, {Title: "PID", Right: true, Drop: 2},
		{Title: "CPU", Right: true}, {Title: "MEMORY", Right: true}, {Title: "FDS", Right: true, Drop: 4},
		{Title: "RESTARTS", Right: true, Drop: 5}, {Title: "UPTIME", Right: true}, {Title: "REASON", Flex: true, Drop: 1},
	}}
	for _, v := range services {
		pid, u := "", ui.Usage{}
		if v.PID > 0 {
			pid = strconv.Itoa(v.PID)
		}
		if v.Usage != nil {
			u = *v.Usage
		}
		t.Add(
			render.Cell{Text: string(v.ID), Bold: true}, render.Badge(v.State), render.Badge(v.Health), render.Text(u.Check), render.Text(pid),
			render.Text(u.CPU), render.Text(u.Memory), render.Text(u.OpenFDs), restarts(v.Restarts), render.Toned(u.Uptime, ui.Idle), render.Text(v.Reason),
		)
	}
	return t
}

func restarts(n int) render.Cell {
	if n == 0 {
		return render.Toned("0", ui.Idle)
	}
	return render.Toned(strconv.Itoa(n), ui.Warn)
}

func runsTable(runs []ui.Run) *render.Table {
	t := &render.Table{Columns: []render.Column{
		{Title: "RUN"}, {Title: "PIPELINE", Drop: 2}, {Title: "STATE"}, {Title: "STEPS"}, {Title: "TOOK", Right: true, Drop: 1},
		{Title: "AGE", Right: true, Drop: 3}, {Title: "REASON", Flex: true},
	}}
	for _, r := range runs {
		t.Add(render.Cell{Text: string(r.ID), Bold: true}, render.Text(r.Pipeline), render.Badge(r.State), render.Text(r.Progress),
			render.Text(r.Took), render.Toned(r.Age, ui.Idle), render.Text(r.Reason))
	}
	return t
}

func stepsTable(steps []ui.Step) *render.Table {
	t := &render.Table{Columns: []render.Column{{Title: "STEP"}, {Title: "STATE"}, {Title: "TOOK", Right: true}, {Title: "REASON", Flex: true}}}
	for _, s := range steps {
		t.Add(render.Text(s.Name), render.Badge(s.State), render.Text(s.Took), render.Text(s.Reason))
	}
	return t
}

func routesTable(routes []ui.Route) *render.Table {
	t := &render.Table{Columns: []render.Column{
		{Title: "ROUTE"}, {Title: "STATE"}, {Title: "ADDRESS", Flex: true}, {Title: "UPSTREAM", Drop: 1}, {Title: "REASON", Flex: true},
	}}
	for _, r := range routes {
		addresses, upstreams := append([]string{""}, r.Addresses...), append([]string{""}, r.Upstreams...)
		if len(addresses) > 1 {
			addresses = addresses[1:]
		}
		if len(upstreams) > 1 {
			upstreams = upstreams[1:]
		}
		for i := range max(len(addresses), len(upstreams)) {
			cells := []render.Cell{{}, {}, {}, {}, {}}
			if i == 0 {
				cells[0], cells[1], cells[4] = render.Cell{Text: string(r.Service), Bold: true}, render.Badge(r.State), render.Text(r.Reason)
			}
			if i < len(addresses) {
				cells[2] = render.Text(addresses[i])
			}
			if i < len(upstreams) {
				cells[3] = render.Text(upstreams[i])
			}
			t.Add(cells...)
		}
	}
	return t
}

func alertLines(s *render.Stream, a ui.Alert) []string {
	lines := []string{s.Mark(a.Tone) + s.Tone(a.Tone, render.Clean(a.Title)) + ": " + render.Clean(a.Text)}
	for _, l := range a.Lines {
		lines = append(lines, s.Dim("  │ ")+render.Clean(l))
	}
	if a.Fix != "" {
		lines = append(lines, "  "+s.Bold("fix:")+" "+render.Clean(a.Fix))
	}
	return lines
}

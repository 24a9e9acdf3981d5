package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Build returns the page of a state. It is pure: the same arguments give the
// same page.
func Build(s state.State, o Options) Page {
	b := builder{s: s, now: o.Now, edge: edgeURL(s), used: o.Usage}
	p := Page{
		Stages: []Stage{}, Daemons: []Service{}, Services: []Service{}, Runs: []Run{},
		Pipelines: []Pipeline{}, Routes: []Route{}, Alerts: []Alert{},
	}
	for _, g := range s.SortedStages() {
		p.Stages = append(p.Stages, b.stage(g))
	}
	for _, v := range b.daemons() {
		p.Daemons = append(p.Daemons, b.service(v, KindDaemon))
	}
	for _, v := range s.SortedServices() {
		p.Services = append(p.Services, b.service(v, KindService))
	}
	runs := s.SortedRuns()
	slices.Reverse(runs)
	for _, r := range runs {
		p.Runs = append(p.Runs, b.run(r))
	}
	for _, d := range o.Pipelines {
		p.Pipelines = append(p.Pipelines, Pipeline{
			Name: d.Name, About: d.About, Params: list(d.Params), Steps: len(d.Steps),
			Actions: b.offers(KindPipeline, events.Entity(d.Name)),
		})
	}
	slices.SortFunc(p.Pipelines, func(a, b Pipeline) int { return cmp.Compare(a.Name, b.Name) })
	for _, r := range state.Sorted(s.Routes) {
		p.Routes = append(p.Routes, b.route(r))
	}
	p.Routes = b.together(p.Routes)
	p.Groups = b.groups()
	p.Node = b.node()
	p.Alerts = b.alerts()
	return p
}

type builder struct {
	s    state.State
	now  time.Time
	edge string // the edge's URL; empty where there is none
	used events.Usage
}

func (b *builder) daemons() []state.Service {
	rank := func(v state.Service) int { return slices.Index(events.Daemons(), events.Source(v.ID)) }
	list := state.Sorted(b.s.Daemons)
	slices.SortStableFunc(list, func(x, y state.Service) int { return cmp.Compare(rank(x), rank(y)) })
	return list
}

func (b *builder) stage(g state.Stage) Stage {
	took := ""
	if g.State == state.StageReady || g.State == state.StageStopped {
		took = Took(time.Duration(g.TookMS * float64(time.Millisecond)))
	}
	return Stage{
		Name: g.Name, Index: g.Index, State: Badge{string(g.State), stageTone(g.State)}, Took: took,
		Since: g.Since, Age: b.age(g.Since), Reason: g.Reason, Fix: g.Fix,
	}
}

func (b *builder) service(v state.Service, k Kind) Service {
	ready := b.s.Ready[events.Source(v.ID)]
	row := Service{
		ID: v.ID, Icon: v.Registered.Icon, Name: cmp.Or(v.Registered.Name, string(v.ID)), Description: v.Registered.Description,
		Required: v.Registered.Required, DependsOn: list(v.Registered.Dependencies),
		Desired: v.Want(), State: Badge{string(v.State), serviceTone(v)}, Health: health(v),
		PID: v.PID, Restarts: v.Restarts, Since: v.Since, Age: b.age(v.Since),
		Ports: list(v.Ports), PortsText: portsText(v.Ports), Version: ready.Version, Endpoints: []Endpoint{},
		Group: events.Entity(v.Registered.ReplicaOf), Addresses: []string{}, Reason: b.reason(v), LastLines: []string{}, Actions: b.offers(k, v.ID),
	}
	if ready.Ready {
		for purpose, address := range ready.Addresses {
			row.Endpoints = append(row.Endpoints, Endpoint{purpose, address})
		}
		slices.SortFunc(row.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Purpose, b.Purpose) })
	}
	if k == KindService {
		row.Usage = b.usage(v)
	}
	if r, ok := b.s.Routes[v.ID]; ok && r.State != state.RouteRefused {
		row.Addresses = b.addresses(r.Routes)
	}
	if len(row.Addresses) > 0 {
		row.Address = row.Addresses[0]
	}
	if down := v.State == state.ServiceFailed || v.State == state.ServiceBackoff || v.State == state.ServiceExited; down && v.LastExit != nil {
		row.LastLines = list(v.LastExit.LastLines)
	}
	return row
}

// reason says why a service is what it is, and when that changes.
func (b *builder) reason(v state.Service) string {
	if v.State == state.ServiceBackoff && !v.Until.IsZero() {
		return strings.TrimPrefix(v.Reason+"; again "+b.until(v.Until), "; ")
	}
	if v.State == state.ServiceScheduled {
		next := "runs " + v.Until.Format("2006-01-02 15:04:05") + " UTC, " + b.until(v.Until)
		if v.Reason != "" {
			next = "the last run failed: " + v.Reason + "; " + next
		}
		return next
	}
	return v.Why()
}

func (b *builder) until(t time.Time) string {
	if d := t.Sub(b.now); d >= time.Second {
		return "in " + Span(d)
	}
	return "now"
}

func (b *builder) run(r state.Run) Run {
	end := b.now
	if r.Ended() {
		end = r.Since
	}
	row := Run{
		ID: r.ID, Pipeline: r.Pipeline, Params: []string{}, State: stepBadge(r.State), Steps: []Step{},
		Began: r.Began, Age: b.age(r.Began), Took: took(r.Began, end), Reason: r.Reason, Ended: r.Ended(),
		Actions: b.offers(KindRun, r.ID),
	}
	for key, value := range r.Params {
		row.Params = append(row.Params, key+"="+value)
	}
	slices.Sort(row.Params)
	completed := 0
	for _, step := range r.Steps {
		if step.State == events.StepCompleted {
			completed++
		}
		row.Steps = append(row.Steps, b.step(step))
	}
	row.Progress = fmt.Sprintf("%d of %d steps", completed, len(r.Steps))
	return row
}

func (b *builder) step(s events.StepStatus) Step {
	row := Step{Name: s.Name, After: list(s.After), State: stepBadge(s.State), Reason: s.Reason}
	if s.Began != nil {
		end := b.now
		if s.Ended != nil {
			end = *s.Ended
		}
		row.Took = took(*s.Began, end)
	}
	return row
}

func (b *builder) route(r state.Route) Route {
	row := Route{
		Service: r.Service, State: Badge{string(r.State), routeTone(r.State)}, Addresses: b.addresses(r.Routes), Upstreams: []string{},
		Since: r.Since, Age: b.age(r.Since), Reason: b.s.RouteReason(r.Service),
	}
	upstreams := r.Routes
	if v, ok := b.s.Services[r.Service]; ok && len(v.Routes) > 0 {
		upstreams = v.Routes
	}
	for _, one := range upstreams {
		for _, u := range one.Upstreams {
			if !slices.Contains(row.Upstreams, u) {
				row.Upstreams = append(row.Upstreams, u)
			}
		}
	}
	return row
}

func (b *builder) offers(k Kind, e events.Entity) []Offer {
	offers := []Offer{}
	for _, a := range For(k) {
		ok, reason := a.Enabled(b.s, e)
		offers = append(offers, Offer{
			ID: a.ID, Label: a.Label, Key: a.Key, About: a.About, Method: a.Method(), Path: a.Path(e),
			Confirm: a.Confirm, Enabled: ok, Reason: reason,
		})
	}
	return offers
}

func (b *builder) age(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return Span(b.now.Sub(since))
}

func took(began, ended time.Time) string {
	if began.IsZero() || ended.Before(began) {
		return ""
	}
	return Took(ended.Sub(began))
}

func portsText(ports []events.Port) string {
	var parts []string
	for _, p := range ports {
		text := strconv.Itoa(p.Port)
		if p.Name != "primary" {
			text = p.Name + " " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

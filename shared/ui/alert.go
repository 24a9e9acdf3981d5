package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/state"
)

// alerts lists what an operator should know, worst first, then by what it is
// about: stages, services, routes, the bus.
func (b *builder) alerts() []Alert {
	all := []Alert{}
	for _, g := range b.s.SortedStages() {
		if g.State == state.StageFailed {
			all = append(all, Alert{
				Tone: Bad, Title: fmt.Sprintf("stage %s failed", g.Name), Text: g.Reason, Fix: g.Fix, Lines: list(g.LastLines), Since: g.Since,
			})
		}
	}
	all = append(all, b.servicesFailed(b.daemons(), "`launcher logs %[1]s`, then `launcher down` and `launcher up`")...)
	all = append(all, b.servicesFailed(state.Sorted(b.s.Services), "`launcher logs %[1]s`, then `launcher restart %[1]s`")...)
	for _, r := range state.Sorted(b.s.Routes) {
		if r.State == state.RouteRefused {
			all = append(all, Alert{
				Tone: Bad, Title: fmt.Sprintf("the edge refused the routes of %s", r.Service), Text: r.Reason,
				Fix: "correct the routes of its spec", Lines: []string{}, Since: r.Since,
			})
		}
	}
	if r := b.s.Specs; r.Reason != "" {
		all = append(all, Alert{
			Tone: Warn, Title: "the specs are wrong; the services go on with the last good ones", Text: "procd took none of them:",
			Fix:   "correct them until `launcher spec validate` is content; where the node does not watch them, `launcher spec apply` then",
			Lines: strings.Split(r.Reason, "\n"), Since: r.Since,
		})
	}
	if d := b.s.Decisions; d.Reason != "" {
		text := "The bus has none of them: each service is as its profiles say, those that were disabled too."
		if len(d.Known) > 0 {
			text = "The bus has those about " + strings.Join(d.Known, ", ") + "; each other service is as its profiles say, whatever was decided."
		}
		all = append(all, Alert{
			Tone: Bad, Title: "operators' decisions cannot be read, and new ones not be recorded", Text: text,
			Fix: "put the file right or away, then `launcher disable SERVICE`, or `enable`, what was lost", Lines: strings.Split(d.Reason, "\n"), Since: d.Since,
		})
	}
	if r := b.s.Refused; r.Count > 0 && r.Last != nil {
		who := "somebody"
		if r.Last.User != "" {
			who = fmt.Sprintf("%q", r.Last.User)
		}
		all = append(all, Alert{
			Tone: Warn, Title: "the bus refused " + plural(r.Count, "client"),
			Text: fmt.Sprintf("last %s at %s: %s", who, r.Last.Address, r.Last.Reason),
			Fix:  "each client needs its own credential from the node's key directory", Lines: []string{}, Since: r.Since,
		})
	}
	if d := b.s.Dead; d.Count > 0 {
		text := fmt.Sprintf("last at sequence %d: %s", d.Seq, d.Reason)
		if d.Kept >= d.Seq {
			text += " (kept aside)"
		}
		all = append(all, Alert{
			Tone: Warn, Title: plural(d.Count, "record") + " on the bus could not be understood", Text: text,
			Fix: "see what their source stated with `launcher events`", Lines: []string{},
		})
	}
	worst := func(t Tone) int { return slices.Index([]Tone{Bad, Warn, OK, Idle}, t) }
	slices.SortStableFunc(all, func(a, b Alert) int { return cmp.Compare(worst(a.Tone), worst(b.Tone)) })
	return all
}

func (b *builder) servicesFailed(services []state.Service, fix string) []Alert {
	var all []Alert
	for _, v := range services {
		if v.State != state.ServiceFailed {
			continue
		}
		a := Alert{
			Tone: Bad, Title: fmt.Sprintf("%s failed", v.ID), Text: v.Reason,
			Fix: fmt.Sprintf(fix, v.ID), Lines: []string{}, Since: v.Since,
		}
		if v.LastExit != nil {
			a.Lines = list(v.LastExit.LastLines)
		}
		all = append(all, a)
	}
	return all
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

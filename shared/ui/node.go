package ui

import (
	"fmt"
	"net"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// node is the page's head: the worst of what is below it.
func (b *builder) node() Node {
	since := b.since()
	return Node{
		Name: b.s.Node, State: b.nodeState(), Summary: b.summary(), Version: b.version(),
		Since: since, Age: b.age(since), Seq: b.s.Seq, EdgeURL: b.edge, Actions: b.offers(KindNode, events.NodeEntity),
	}
}

func (b *builder) nodeState() Badge {
	stages := b.s.SortedStages()
	all := map[state.StageState]int{}
	for _, g := range stages {
		all[g.State]++
	}
	switch {
	case len(stages) == 0:
		return Badge{"unknown", Idle}
	case all[state.StageFailed] > 0:
		return Badge{"failed", Bad}
	case all[state.StageStopped] == len(stages):
		return Badge{"down", Idle}
	case all[state.StageStarting]+all[state.StagePending] > 0:
		return Badge{"starting", Warn}
	case all[state.StageStopping]+all[state.StageStopped] > 0:
		return Badge{"stopping", Warn}
	}
	if healthy, wanted := b.count(b.s.Services); healthy < wanted {
		return Badge{"degraded", Warn}
	}
	if healthy, wanted := b.count(b.s.Daemons); healthy < wanted {
		return Badge{"degraded", Warn}
	}
	return Badge{"up", OK}
}

// count tells how many of the services that are wanted do their work.
func (b *builder) count(services map[events.Entity]state.Service) (healthy, wanted int) {
	for _, v := range services {
		if !v.Desired.Running {
			continue
		}
		wanted++
		if v.Settled() {
			healthy++
		}
	}
	return healthy, wanted
}

func (b *builder) summary() string {
	healthy, wanted := b.count(b.s.Services)
	if wanted == 0 {
		return "no service is wanted"
	}
	return fmt.Sprintf("%d of %d services healthy", healthy, wanted)
}

func (b *builder) since() time.Time {
	var since time.Time
	for _, g := range b.s.Stages {
		if g.Since.After(since) && g.State != state.StagePending {
			since = g.Since
		}
	}
	return since
}

// version is the one that all daemons have.
func (b *builder) version() string {
	version := ""
	for _, d := range events.Daemons() {
		r, ok := b.s.Ready[d]
		switch {
		case !ok || r.Version == "":
		case version == "":
			version = r.Version
		case version != r.Version:
			return ""
		}
	}
	return version
}

// edgeURL is where the edge said that it answers HTTP.
func edgeURL(s state.State) string {
	address := s.Ready[events.Caddyd].Addresses["http"]
	if address == "" || strings.Contains(address, "://") {
		return strings.TrimSuffix(address, "/")
	}
	return "http://" + address
}

// addresses are the URLs at which the edge answers for routes.
func (b *builder) addresses(routes []events.Route) []string {
	all := []string{}
	if b.edge == "" {
		return all
	}
	scheme, authority, _ := strings.Cut(b.edge, "://")
	_, port, err := net.SplitHostPort(authority)
	if err != nil {
		port = ""
	}
	for _, r := range routes {
		bases := []string{b.edge}
		if len(r.Hosts) > 0 {
			bases = nil
		}
		for _, host := range r.Hosts {
			if port != "" {
				host = net.JoinHostPort(host, port)
			}
			bases = append(bases, scheme+"://"+host)
		}
		paths := r.Paths
		if len(paths) == 0 {
			paths = []string{"/"}
		}
		for _, base := range bases {
			for _, path := range paths {
				all = append(all, base+strings.TrimRight(path, "*"))
			}
		}
	}
	return all
}

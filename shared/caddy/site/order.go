package site

import (
	"cmp"
	"slices"
	"strings"

	"core.internal/shared/events"
)

// entry is one place in the order in which the edge tries sites.
type entry struct {
	site      Site
	services  []events.Entity // those behind it
	hosts     []string
	path      string // prefix; empty for any
	upstreams []string
	health    *healthCheck
}

func (e entry) match() match {
	m := match{Host: e.hosts}
	if e.path != "" {
		m.Path = []string{e.path + "*"}
	}
	return m
}

// rank orders exact hosts before those with a wildcard, those before any.
func (e entry) rank() int {
	switch {
	case len(e.hosts) == 0:
		return 2
	case wild(e.hosts[0]):
		return 1
	}
	return 0
}

func wild(host string) bool { return strings.HasPrefix(host, "*") }

// expand takes the sites that are served apart into entries, the more specific
// ones first.
func expand(sites []Site) []entry {
	var list []entry
	for _, s := range sites {
		for _, r := range s.Routes {
			for _, path := range orAny(r.Paths) {
				e := entry{site: s, services: []events.Entity{s.Service}, path: path, upstreams: r.Upstreams, health: check(r.Health)}
				if len(r.Hosts) == 0 {
					list = append(list, e)
				}
				exact, wildcard := split(r.Hosts)
				for _, e.hosts = range [][]string{exact, wildcard} {
					if len(e.hosts) > 0 {
						list = append(list, e)
					}
				}
			}
		}
	}
	list = join(list)
	slices.SortStableFunc(list, func(a, b entry) int {
		return cmp.Or(
			cmp.Compare(a.rank(), b.rank()),
			cmp.Compare(len(b.path), len(a.path)),
			cmp.Compare(a.path, b.path),
			cmp.Compare(a.site.Service, b.site.Service),
		)
	})
	return list
}

func split(hosts []string) (exact, wildcard []string) {
	for _, h := range hosts {
		if wild(h) {
			wildcard = append(wildcard, h)
		} else {
			exact = append(exact, h)
		}
	}
	return exact, wildcard
}

func check(h *events.RouteHealth) *healthCheck {
	if h == nil {
		return nil
	}
	return &healthCheck{
		URI:      h.Path,
		Interval: milliseconds(cmp.Or(h.IntervalMS, 5000)),
		Timeout:  milliseconds(cmp.Or(h.TimeoutMS, 2000)),
	}
}

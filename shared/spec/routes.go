package spec

import (
	"fmt"
	"strings"
	"time"

	"core.internal/shared/events"
)

// EventRoutes returns what the edge forwards to the service; nothing where it
// is not exposed. Upstreams are addresses where the service is a resolved one;
// see [Located.Resolve].
func (s Service) EventRoutes() []events.Route {
	if !s.Caddy.Expose {
		return nil
	}
	var list []events.Route
	for _, r := range s.WithDefaults().Caddy.Routes {
		var route events.Route
		for _, text := range r.Match {
			m, err := parseMatch(text)
			if err != nil {
				continue // Parse lets none of these through
			}
			for _, value := range m.values {
				if m.kind == "host" {
					route.Hosts = append(route.Hosts, value)
				} else {
					route.Paths = append(route.Paths, strings.TrimSuffix(value, "*"))
				}
			}
		}
		for _, h := range r.Handle {
			route.Upstreams = append(route.Upstreams, h.Upstreams...)
			if c := h.HealthCheck; c != nil {
				route.Health = &events.RouteHealth{
					Path: c.Path, IntervalMS: time.Duration(c.Interval).Milliseconds(), TimeoutMS: time.Duration(c.Timeout).Milliseconds(),
				}
			}
		}
		list = append(list, route)
	}
	return list
}

// PublicRoutes are the routes without upstreams, which are known only when the
// service has started: what is registered about it.
func (s Service) PublicRoutes() []events.Route {
	list := s.EventRoutes()
	for i := range list {
		list[i].Upstreams, list[i].Health = nil, nil
	}
	return list
}

// defaultRoute is the route of a service that is exposed without routes.
func defaultRoute(id ServiceID) Route {
	return Route{
		Match:  []string{fmt.Sprintf("host(`%s`)", defaultHost(id))},
		Handle: []Handler{{Handler: "reverse_proxy"}},
	}
}

// defaultHost is the host of a service that is exposed without routes. Browsers
// send host names in lower case.
func defaultHost(id ServiceID) string {
	return strings.TrimRight(strings.ToLower(string(id)), "-_") + ".localhost"
}

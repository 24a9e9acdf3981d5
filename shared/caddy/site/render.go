package site

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"core.internal/shared/events"
)

// Options are the edge's own settings.
type Options struct {
	Listen string // host:port
	// Grace is how long requests in flight may take when a listener closes;
	// 2 s if 0.
	Grace time.Duration
}

// object is a JSON object; encoding/json writes its members sorted.
type object = map[string]any

// Render returns Caddy's configuration for sites that passed [Check]. Equal
// input gives equal bytes.
func Render(o Options, sites []Site) ([]byte, error) {
	routes := []object{{
		"match": []object{{"path": []string{HealthPath}}},
		"handle": []object{{
			"handler": "static_response", "status_code": 200, "body": "{\"status\":\"ok\"}\n",
			"headers": object{"Content-Type": []string{"application/json"}, "Cache-Control": []string{"no-store"}},
		}},
		"terminal": true,
	}}
	for _, e := range entries(sites) {
		routes = append(routes, object{"match": matchers(e.route), "handle": handlers(e), "terminal": true})
	}
	routes = append(routes, answer(page{
		Status: 404, Title: "Nothing here", Text: "No service of this node answers for this address.",
	})...)
	return json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "WARN", "writer": object{"output": "stderr"}, "encoder": object{"format": "json"}, "exclude": []string{"admin"}}}},
		"apps": object{"http": object{
			"grace_period": cmp.Or(o.Grace, 2*time.Second),
			"servers": object{"edge": object{
				"listen": []string{o.Listen}, "automatic_https": object{"disable": true},
				"protocols": []string{"h1"}, "routes": routes,
				"read_header_timeout": 10 * time.Second, "idle_timeout": 2 * time.Minute,
			}},
		}},
	})
}

// entry is one route of a site.
type entry struct {
	site  Site
	route events.Route
}

// entries orders routes so that the more specific one comes first: those with a
// host before those without, longer paths before shorter.
func entries(sites []Site) []entry {
	var list []entry
	for _, s := range sites {
		for _, r := range s.Routes {
			if len(r.Paths) == 0 {
				list = append(list, entry{s, r})
			}
			for _, p := range r.Paths {
				one := r
				one.Paths = []string{p}
				list = append(list, entry{s, one})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		return cmp.Or(rank(a.route)-rank(b.route), longest(b.route)-longest(a.route))
	})
	return list
}

func rank(r events.Route) int {
	switch {
	case len(r.Hosts) == 0:
		return 2
	case slices.ContainsFunc(r.Hosts, func(h string) bool { return h[0] == '*' }):
		return 1
	}
	return 0
}

func longest(r events.Route) int {
	if len(r.Paths) == 0 {
		return 0
	}
	return len(r.Paths[0])
}

func matchers(r events.Route) []object {
	m := object{}
	if len(r.Hosts) > 0 {
		m["host"] = r.Hosts
	}
	if len(r.Paths) > 0 {
		m["path"] = []string{r.Paths[0] + "*"}
	}
	return []object{m}
}

// handlers answers for a site: its upstreams, with the page for errors on the
// way, or the page that says that it is closed.
func handlers(e entry) []object {
	down := page{Status: 503, Title: e.site.Name + " is not available", Text: "The service cannot answer now.", Retry: true}
	if !e.site.Open {
		down.Text = "The service cannot answer now: " + e.site.Reason + "."
		return []object{{"handler": "subroute", "routes": answer(down)}}
	}
	var upstreams []object
	for _, u := range e.route.Upstreams {
		upstreams = append(upstreams, object{"dial": u})
	}
	proxy := object{
		"handler": "reverse_proxy", "upstreams": upstreams,
		// Server-sent events and other streams pass as they come.
		"flush_interval": -1,
		"transport":      object{"protocol": "http", "dial_timeout": 2 * time.Second},
	}
	if h := e.route.Health; h != nil {
		proxy["health_checks"] = object{"active": object{
			"uri":      h.Path,
			"interval": time.Duration(h.IntervalMS) * time.Millisecond,
			"timeout":  time.Duration(h.TimeoutMS) * time.Millisecond,
		}}
	}
	return []object{{
		"handler": "subroute",
		"routes":  []object{{"handle": []object{proxy}}},
		"errors":  object{"routes": answer(down)},
	}}
}

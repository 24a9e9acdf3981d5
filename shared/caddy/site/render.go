package site

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"core.internal/shared/state"
)

// Options are the settings of the edge itself.
type Options struct {
	// Listen are Caddy network addresses, as in "127.0.0.1:8080" or "fd/7".
	Listen []string
	// Storage is a directory for what Caddy keeps; nothing is kept for plain HTTP.
	Storage string
	// Node is told by the health route; may be empty.
	Node string
	// Streams is how long a response that streams, or an upgraded connection,
	// outlives the configuration under which it began; a day if 0.
	Streams time.Duration
	// Dial is how long connecting to an upstream may take; 2 s if 0.
	Dial time.Duration
}

// HealthPath answers 200 on every host while the edge serves.
const HealthPath = own + "health"

// server is the name of the edge's HTTP server, as metrics and logs show it.
const server = "edge"

// Render writes sites as a configuration for Caddy. The same sites give the same
// bytes. Sites must have passed [Check].
func Render(o Options, sites []Site) ([]byte, error) {
	streams := duration(cmp.Or(o.Streams, 24*time.Hour))
	dial := duration(cmp.Or(o.Dial, 2*time.Second))
	var routes, errs []route
	health, err := healthRoute(o.Node)
	if err != nil {
		return nil, fmt.Errorf("render the edge's configuration: %w", err)
	}
	routes = append(routes, health, notice(nil, notFound()).below(own))
	for _, e := range expand(sites) {
		r := route{Match: []match{e.match()}, Terminal: true}
		if e.site.State != state.RouteOpen {
			routes = append(routes, notice(r.Match, closed(e.site)))
			continue
		}
		r.Handle = []any{proxy(e.upstreams, e.health, dial, streams)}
		routes = append(routes, r)
		failed := e.match()
		failed.Vars = map[string][]string{"{http.error.status_code}": {"502", "503", "504"}}
		errs = append(errs, notice([]match{failed}, silent(e.site)))
	}
	routes = append(routes, notice(nil, notFound()))

	srv := httpServer{
		Listen: o.Listen, Protocols: []string{"h1"}, AutomaticHTTPS: disable{true},
		ReadHeaderTimeout: duration(10 * time.Second), IdleTimeout: duration(2 * time.Minute),
		Routes: routes,
	}
	if len(errs) > 0 {
		srv.Errors = &routeList{errs}
	}
	c := config{
		Admin: admin{Disabled: true},
		Logging: logging{Logs: map[string]logger{"default": {
			Level: "WARN", Exclude: []string{"admin"},
			Writer: output{Output: "stderr"}, Encoder: format{Format: "json"},
			// A service that does not answer is told of a few times a second, not
			// at each request.
			Sampling: sampling{Interval: int64(time.Second), First: 5, Thereafter: 1000},
		}}},
		Apps: apps{
			TLS: tlsApp{NoStorageCheck: true, NoStorageClean: true},
			HTTP: httpApp{
				GracePeriod: streams, Metrics: metrics{PerHost: true},
				Servers: map[string]httpServer{server: srv},
			},
		},
	}
	if o.Storage != "" {
		c.Storage = storage{Module: "file_system", Root: o.Storage}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("render the edge's configuration: %w", err)
	}
	return b.Bytes(), nil
}

func healthRoute(node string) (route, error) {
	body, err := json.Marshal(struct {
		Status string `json:"status"`
		Node   string `json:"node,omitempty"`
	}{"ok", node})
	return route{
		Match:    []match{{Path: []string{HealthPath}}},
		Terminal: true,
		Handle: []any{staticResponse{
			Handler: "static_response", StatusCode: http.StatusOK, Body: Literal(string(body) + "\n"),
			Headers: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}},
		}},
	}, err
}

// duration is a duration as Caddy reads it.
func duration(d time.Duration) string { return d.String() }

// below limits a route to the paths with a prefix.
func (r route) below(prefix string) route {
	r.Match = []match{{Path: []string{prefix + "*"}}}
	return r
}

func proxy(upstreams []string, health *healthCheck, dial, streams string) reverseProxy {
	p := reverseProxy{
		Handler: "reverse_proxy", FlushInterval: -1, StreamCloseDelay: streams,
		Transport: transport{Protocol: "http", DialTimeout: dial},
	}
	for _, u := range upstreams {
		p.Upstreams = append(p.Upstreams, upstream{Dial: u})
	}
	if len(upstreams) > 1 {
		p.LoadBalancing = &loadBalancing{
			Selection: selection{Policy: "round_robin"}, Retries: len(upstreams) - 1,
		}
	}
	if health != nil {
		p.HealthChecks = &healthChecks{Active: *health}
	}
	return p
}

// notice is a route that answers with a page: as HTML to who asks for it, as
// text to everybody else.
func notice(m []match, p page) route {
	h := http.Header{
		"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "Vary": {"Accept"},
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	html, text := h.Clone(), h
	html.Set("Content-Type", "text/html; charset=utf-8")
	html.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	text.Set("Content-Type", "text/plain; charset=utf-8")
	return route{Match: m, Terminal: true, Handle: []any{subroute{Handler: "subroute", Routes: []route{
		{
			Match:    []match{{Header: http.Header{"Accept": {"*text/html*"}}}},
			Handle:   []any{staticResponse{Handler: "static_response", StatusCode: p.Status, Headers: html, Body: Literal(p.HTML())}},
			Terminal: true,
		},
		{Handle: []any{staticResponse{Handler: "static_response", StatusCode: p.Status, Headers: text, Body: Literal(p.Text())}}},
	}}}}
}

package site

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Options are the settings of the edge itself.
type Options struct {
	Listen string // a Caddy network address, as in "127.0.0.1:8080"
	// Storage is a directory for what Caddy keeps; nothing is kept for plain HTTP.
	Storage string
	Node    string        // told by the health route; may be empty
	Grace   time.Duration // how long requests may go on when the edge stops; 500 ms if 0
	// Streams is how long an upgraded connection outlives its route; a day if 0.
	Streams time.Duration
	Dial    time.Duration // how long connecting to an upstream may take; 2 s if 0
}

// HealthPath answers 200 on every host while the edge serves.
const HealthPath = own + "health"

// Handlers of package caddy, which the configuration refers to.
const (
	HandlerTable   = "core_table"   // has the routes of all sites
	HandlerCounted = "core_counted" // counts the requests to one service
	HandlerNotice  = "core_notice"  // answers with a Page
)

// Render writes the edge's configuration for Caddy, as it is while there are no
// sites: their routes are put into the handler [HandlerTable] later.
func Render(o Options) ([]byte, error) {
	health, err := healthRoute(o.Node)
	if err != nil {
		return nil, fmt.Errorf("render the edge's configuration: %w", err)
	}
	c := config{
		Admin: admin{Disabled: true},
		Logging: logging{Logs: map[string]logger{"default": {
			Level: "WARN", Exclude: []string{"admin"},
			Writer: output{Output: "stderr"}, Encoder: format{Format: "json"},
		}}},
		Apps: apps{
			TLS: tlsApp{NoStorageCheck: true, NoStorageClean: true},
			HTTP: httpApp{
				GracePeriod: duration(cmp.Or(o.Grace, 500*time.Millisecond)),
				Servers: map[string]httpServer{"edge": {
					Listen: []string{o.Listen}, Protocols: []string{"h1"}, AutomaticHTTPS: disable{true},
					ReadHeaderTimeout: duration(10 * time.Second), IdleTimeout: duration(2 * time.Minute),
					Routes: []route{
						health,
						notice([]match{{Path: []string{own + "*"}}}, notFound()),
						{Handle: []any{table{Handler: HandlerTable}}},
					},
				}},
			},
		},
	}
	if o.Storage != "" {
		c.Storage = storage{Module: "file_system", Root: o.Storage}
	}
	return encode(c)
}

// Route is one route of the edge, as Caddy reads it.
type Route struct {
	Service  events.Entity   // the service, or the spec of its replicas; empty for the last one, which answers for none
	Services []events.Entity // those behind it
	Notice   bool            // answered by the edge itself
	JSON     []byte
}

// Routes writes sites as routes, in the order in which they are to be tried. The
// same sites give the same bytes. Sites must have passed [Check].
func Routes(o Options, sites []Site) ([]Route, error) {
	streams := duration(cmp.Or(o.Streams, 24*time.Hour))
	dial := duration(cmp.Or(o.Dial, 2*time.Second))
	var list []Route
	add := func(e entry, r route) error {
		b, err := encode(r)
		list = append(list, Route{e.site.Service, e.services, e.site.State != state.RouteOpen, b})
		return err
	}
	for _, e := range expand(sites) {
		// Inside, so that it sees errors before a page is made of them.
		count := counted{Handler: HandlerCounted, Service: e.site.Service}
		var r route
		if e.site.State == state.RouteOpen {
			r = forward(e, count, proxy(e.upstreams, e.health, dial, streams))
		} else {
			r = notice([]match{e.match()}, closed(e.site))
			r.Handle = append([]any{count}, r.Handle...)
		}
		if err := add(e, r); err != nil {
			return nil, err
		}
	}
	if err := add(entry{}, notice(nil, notFound())); err != nil {
		return nil, err
	}
	return list, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
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

// forward is a route to upstreams, with a page for what goes wrong on the way.
func forward(e entry, handlers ...any) route {
	gateway := map[string][]string{"{http.error.status_code}": {"502", "503", "504"}}
	return route{Match: []match{e.match()}, Terminal: true, Handle: []any{subroute{
		Handler: "subroute",
		Routes:  []route{{Handle: handlers}},
		Errors: &routeList{Routes: []route{
			notice([]match{{Vars: gateway}}, silent(e.site)),
			{Handle: []any{staticError{Handler: "error", Error: "{http.error.message}", StatusCode: "{http.error.status_code}"}}},
		}},
	}}}
}

// maxRetries bounds how many upstreams one request is tried on: a request that
// ends those that answer it is not to end them all.
const maxRetries = 3

// avoided is how long an upstream that failed gets no requests while there are
// others: until procd has said what became of it.
const avoided = time.Second

// safe are the methods that may be tried again although an upstream had begun
// with the request. One that no upstream took is tried again whatever it is.
var safe = []string{http.MethodGet, http.MethodHead, http.MethodOptions}

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
			Selection: selection{Policy: "round_robin"}, Retries: min(len(upstreams)-1, maxRetries),
			RetryMatch: []match{{Method: safe}},
		}
		p.HealthChecks = &healthChecks{Active: health, Passive: &passive{FailDuration: duration(avoided)}}
	} else if health != nil {
		p.HealthChecks = &healthChecks{Active: health}
	}
	return p
}

// notice is a route that answers with a page.
func notice(m []match, p Page) route {
	return route{Match: m, Terminal: true, Handle: []any{noticePage{HandlerNotice, p}}}
}

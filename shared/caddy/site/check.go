package site

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// own is the prefix of the edge's own paths, on every host.
const own = "/.core/"

// Bounds of what one service may ask for.
const (
	maxRoutes   = 64
	maxPatterns = 64 // hosts, paths or upstreams of one route
)

// Check refuses the sites that cannot be served, and of two that claim the same
// host and path the second by id, unless both are replicas of one spec. The sites are sorted by service; Check returns
// new ones and normalizes their hosts.
func Check(sites []Site) []Site {
	owner := map[claim]events.Entity{}
	checked := make([]Site, 0, len(sites))
	for _, s := range sites {
		if s.State == state.RouteRefused {
			checked = append(checked, s)
			continue
		}
		routes, err := normalize(s.Routes, s.State == state.RouteOpen)
		if err == nil {
			err = take(owner, s.owner(), routes)
		}
		if err != nil {
			s = s.Refuse(err.Error())
		} else {
			s.Routes = routes
		}
		checked = append(checked, s)
	}
	return checked
}

// claim is one host and path prefix; empty means any.
type claim struct{ host, path string }

func (c claim) String() string {
	host := c.host
	if host == "" {
		host = "any host"
	}
	if c.path == "" {
		return host
	}
	return host + " with path " + c.path + "*"
}

// owner is whose claims the site's are.
func (s Site) owner() events.Entity { return cmp.Or(s.Group, s.Service) }

// take gives all hosts and paths of routes to a service, or none.
func take(owner map[claim]events.Entity, service events.Entity, routes []events.Route) error {
	var mine []claim
	for _, r := range routes {
		for _, host := range orAny(r.Hosts) {
			for _, path := range orAny(r.Paths) {
				c := claim{host, strings.ToLower(path)}
				switch by, taken := owner[c]; {
				case taken && by != service:
					return fmt.Errorf("service %s already has %s: give one of them another host", by, c)
				case slices.Contains(mine, c):
					return fmt.Errorf("%s is there twice", c)
				}
				mine = append(mine, c)
			}
		}
	}
	for _, c := range mine {
		owner[c] = service
	}
	return nil
}

func orAny(patterns []string) []string {
	if len(patterns) == 0 {
		return []string{""}
	}
	return patterns
}

func normalize(routes []events.Route, open bool) ([]events.Route, error) {
	if n := len(routes); n > maxRoutes {
		return nil, fmt.Errorf("%d routes: at most %d are allowed", n, maxRoutes)
	}
	list := make([]events.Route, len(routes))
	for i, r := range routes {
		if n := max(len(r.Hosts), len(r.Paths), len(r.Upstreams)); n > maxPatterns {
			return nil, fmt.Errorf("route %d has a list of %d: at most %d are allowed", i+1, n, maxPatterns)
		}
		hosts := make([]string, len(r.Hosts))
		for j, h := range r.Hosts {
			if err := checkHost(h); err != nil {
				return nil, err
			}
			hosts[j] = strings.ToLower(h)
		}
		if len(hosts) > 0 {
			r.Hosts = hosts
		}
		for _, p := range r.Paths {
			if err := checkPath(p); err != nil {
				return nil, err
			}
		}
		if open {
			if err := checkUpstreams(r); err != nil {
				return nil, err
			}
		}
		list[i] = r
	}
	return list, nil
}

// hostPattern is a name as the edge compares it; "*." stands for one label.
var hostPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)
})

func checkHost(h string) error {
	if _, err := netip.ParseAddr(h); err == nil {
		return nil
	}
	if len(h) > 253 || !hostPattern().MatchString(strings.ToLower(h)) {
		return fmt.Errorf("%q is no host: want a name as in \"a.example\" or \"*.a.example\", in ASCII and without a port", shorten(h))
	}
	return nil
}

func checkPath(p string) error {
	switch {
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf("the path %q does not begin with /", shorten(p))
	case len(p) > 1024 || strings.ContainsFunc(p, notInPath):
		return fmt.Errorf("%q is no path prefix: no wildcards, braces, spaces, ? or # are allowed", shorten(p))
	case strings.HasPrefix(strings.ToLower(p), own):
		return fmt.Errorf("the paths below %s are the edge's own", own)
	}
	return nil
}

func notInPath(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`*{}?#\`, r)
}

func checkUpstreams(r events.Route) error {
	if len(r.Upstreams) == 0 {
		return errors.New("a route has no upstream: the service did not say where it listens")
	}
	for i, u := range r.Upstreams {
		host, port, err := net.SplitHostPort(u)
		n, perr := strconv.ParseUint(port, 10, 16)
		if err != nil || perr != nil || n == 0 || !address(host) {
			return fmt.Errorf("the upstream %q is no host:port", shorten(u))
		}
		if slices.Contains(r.Upstreams[:i], u) {
			return fmt.Errorf("the upstream %q is there twice", u)
		}
	}
	h := r.Health
	switch {
	case h == nil:
	case !strings.HasPrefix(h.Path, "/") || len(h.Path) > 1024 || strings.ContainsFunc(h.Path, notInURI):
		return fmt.Errorf("the health check's path %q is none", shorten(h.Path))
	case h.IntervalMS < 0 || h.TimeoutMS < 0:
		return errors.New("the health check has a negative duration")
	}
	return nil
}

func address(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= 253 && !strings.HasPrefix(host, "*") && hostPattern().MatchString(strings.ToLower(host))
}

func notInURI(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`{}#\`, r)
}

// shorten keeps hostile text out of messages.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

package caddy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
)

func init() { caddy.RegisterModule(&table{}) }

// table is the handler that has all sites. Its routes are replaced while it
// serves.
type table struct {
	ctx     caddy.Context
	handler atomic.Pointer[caddyhttp.Handler]

	// What follows is the applying goroutine's alone.
	routes map[string]*route // by JSON
}

// route is one route with its modules, which live as long as it is used.
type route struct {
	caddyhttp.Route
	scope *scope
}

// scope is a context of modules. A route that forwards has one of its own, which
// ends its health checks with it; making one takes Caddy a millisecond, so the
// pages that come at the same time share one, and stay until the last of them goes:
// they are a few words each.
type scope struct {
	caddy.Context
	cancel context.CancelFunc
	routes int
}

func (t *table) scope(o *observer) *scope {
	ctx, cancel := caddy.NewContext(t.ctx.WithValue(observing, o))
	return &scope{Context: ctx, cancel: cancel}
}

// release ends the scope with its last route: one without routes is of no use.
func (s *scope) release() {
	if s.routes--; s.routes <= 0 {
		s.cancel()
	}
}

var (
	_ caddy.Provisioner           = (*table)(nil)
	_ caddy.CleanerUpper          = (*table)(nil)
	_ caddyhttp.MiddlewareHandler = (*table)(nil)
)

// CaddyModule implements [caddy.Module].
func (*table) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + site.HandlerTable, New: func() caddy.Module { return new(table) }}
}

// Provision implements [caddy.Provisioner].
func (t *table) Provision(ctx caddy.Context) error {
	t.ctx, t.routes = ctx, map[string]*route{}
	return nil
}

// Cleanup implements [caddy.CleanerUpper].
func (t *table) Cleanup() error {
	for _, r := range t.routes {
		r.scope.release()
	}
	t.routes = nil
	return nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	h := t.handler.Load()
	if h == nil {
		return next.ServeHTTP(w, r)
	}
	return (*h).ServeHTTP(w, r)
}

// find returns the table of the configuration that Caddy runs.
func find(ctx caddy.Context) (*table, error) {
	app, err := ctx.AppIfConfigured("http")
	if err != nil {
		return nil, fmt.Errorf("find the edge's routes: %w", err)
	}
	for _, s := range app.(*caddyhttp.App).Servers {
		for _, r := range s.Routes {
			for _, h := range r.Handlers {
				if t, ok := h.(*table); ok {
					return t, nil
				}
			}
		}
	}
	return nil, errors.New("find the edge's routes: the configuration has none")
}

// apply serves these routes from now on. Those of a service of which Caddy
// rejects one are left out; the reasons are returned. Routes that are as they
// were keep their connections and what they know of their upstreams.
func (t *table) apply(routes []site.Route, o *observer) map[events.Entity]string {
	refused := map[events.Entity]string{}
	used := map[string]*route{}
	var pages *scope
	for _, one := range routes {
		if rejected(refused, one) {
			continue
		}
		key := string(one.JSON)
		r, ok := t.routes[key]
		if !ok {
			in := pages
			if !one.Notice || in == nil || in.routes == 0 {
				in = t.scope(o)
			}
			if one.Notice {
				pages = in
			}
			var err error
			if r, err = in.provision(one.JSON); err != nil {
				for _, id := range one.Services {
					refused[id] = err.Error()
				}
				continue
			}
			t.routes[key] = r
		}
		used[key] = r
	}
	var list caddyhttp.RouteList
	for _, one := range routes {
		key := string(one.JSON)
		if rejected(refused, one) {
			delete(used, key)
			continue
		}
		list = append(list, used[key].Route)
	}
	h := list.Compile(unanswered)
	t.handler.Store(&h)
	for key, r := range t.routes {
		if used[key] == nil {
			r.scope.release()
			delete(t.routes, key)
		}
	}
	return refused
}

// rejected reports whether a service behind a route is refused.
func rejected(refused map[events.Entity]string, r site.Route) bool {
	return slices.ContainsFunc(r.Services, func(id events.Entity) bool {
		_, bad := refused[id]
		return bad
	})
}

// unanswered is where no route matched. The last route of a table matches all.
var unanswered = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
	return caddyhttp.Error(http.StatusNotFound, errors.New("no route"))
})

// provision makes a route. One that Caddy rejects takes a scope of its own along.
func (s *scope) provision(b []byte) (*route, error) {
	r := &route{scope: s}
	s.routes++
	err := json.Unmarshal(b, &r.Route)
	if err == nil {
		err = r.Provision(s.Context, nil)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	return r, nil
}

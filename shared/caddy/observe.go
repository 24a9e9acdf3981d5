package caddy

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"core.internal/shared/caddy/site"
)

func init() { caddy.RegisterModule(&counted{}) }

// observing is the key of the observer in a route's context.
const observing caddy.CtxKey = "core_observer"

// observer is told how requests to services went.
type observer struct {
	m   *metrics
	log *slog.Logger
}

// counted is the handler before everything else of a service's route.
type counted struct {
	Service string `json:"service"`

	observer *observer
	silence  atomic.Int64 // no failure is logged before this time
}

var (
	_ caddy.Provisioner           = (*counted)(nil)
	_ caddyhttp.MiddlewareHandler = (*counted)(nil)
)

// CaddyModule implements [caddy.Module].
func (*counted) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + site.HandlerCounted, New: func() caddy.Module { return new(counted) }}
}

// Provision implements [caddy.Provisioner].
func (c *counted) Provision(ctx caddy.Context) error {
	o, ok := ctx.Value(observing).(*observer)
	if !ok {
		return errors.New("it is for the routes of the edge's table only")
	}
	c.observer = o
	return nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	began := time.Now()
	seen := caddyhttp.NewResponseRecorder(w, nil, nil)
	err := next.ServeHTTP(seen, r)
	status := seen.Status()
	if err != nil {
		status = failure(err)
		c.complain(r, status, err)
	}
	// A handler that writes nothing answers 200.
	c.observer.m.request(c.Service, strconv.Itoa(cmp.Or(status, http.StatusOK)), time.Since(began))
	return err
}

func failure(err error) int {
	var known caddyhttp.HandlerError
	if errors.As(err, &known) && known.StatusCode > 0 {
		return known.StatusCode
	}
	return http.StatusInternalServerError
}

// complain logs at most one failure a second of a service.
func (c *counted) complain(r *http.Request, status int, err error) {
	now := time.Now().UnixNano()
	until := c.silence.Load()
	if status < http.StatusInternalServerError || now < until || !c.silence.CompareAndSwap(until, now+int64(time.Second)) {
		return
	}
	c.observer.log.Warn("a request could not be forwarded", "service", c.Service, "method", r.Method, "host", r.Host, "status", status, "error", err)
}

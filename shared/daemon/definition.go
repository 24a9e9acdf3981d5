package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
)

// Definition is what makes one daemon differ from another.
type Definition struct {
	Name  events.Source
	About string // one sentence for -help
	// Settings registers the daemon's own settings beside those of the node;
	// may be nil.
	Settings func(*config.Set)
	// Broker starts the bus itself and says how to connect to it. It is busd's
	// alone; every other daemon leaves it nil and connects to bus.url. The
	// returned function stops the broker.
	Broker func(ctx context.Context, d *Daemon) (bus.Options, func(), error)
	// Run does the daemon's work until ctx ends.
	Run func(ctx context.Context, d *Daemon) error
}

// Daemon is what a running daemon has.
type Daemon struct {
	Name    events.Source
	Config  config.Node
	Layout  config.Layout
	Log     *slog.Logger
	Bus     *bus.Conn // nil while Broker runs
	Facts   *bus.Publisher
	Metrics *prometheus.Registry

	// MetricsAddress is where /metrics and /healthz answer, as host:port.
	MetricsAddress string

	dial    bus.Options // as Bus was
	began   time.Time
	healthy atomic.Pointer[func() error]
}

// errNotReady is what /healthz says before Healthy was called.
var errNotReady = errors.New("starting")

// Healthy sets what /healthz asks; nil means healthy. Before the first call the
// daemon reports that it is starting.
func (d *Daemon) Healthy(check func() error) { d.healthy.Store(&check) }

func (d *Daemon) check() error {
	f := d.healthy.Load()
	switch {
	case f == nil:
		return errNotReady
	case *f == nil:
		return nil
	}
	return (*f)()
}

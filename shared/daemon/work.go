package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// lastWords bounds how long a stopping daemon waits for its last facts to be
// acknowledged.
const lastWords = time.Second

// work connects, runs the definition and says goodbye.
func (d *Daemon) work(ctx context.Context, def Definition) error {
	options := bus.Options{URL: d.busURL(), Seed: d.seed(), Log: d.Log, Waiting: d.waiting()}
	if def.Broker != nil {
		own, stop, err := def.Broker(ctx, d)
		if err != nil {
			return err
		}
		defer stop()
		options = own
	}
	options.Name = string(d.Name)
	if err := awaitFile(ctx, options.Seed, options.Waiting); err != nil {
		return err
	}
	conn, err := bus.Connect(ctx, options)
	if err != nil {
		return err
	}
	defer conn.Close()
	d.Bus, d.dial = conn, options

	// Facts and presence go on while the work winds down.
	outer, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var around errgroup.Group
	around.Go(func() error { return d.Facts.Run(outer, conn) })
	around.Go(func() error {
		presence := events.Presence{PID: os.Getpid(), Version: Version(), Started: time.Now().UTC()}
		return conn.Heartbeat(outer, d.Config.Name, d.Name, presence)
	})

	err = def.Run(ctx, d)
	if err == nil {
		err = ctx.Err()
	}
	d.Facts.State(events.Entity(d.Name), events.DaemonStopped{Reason: reason(err)}, "")
	flush, cancel := context.WithTimeout(outer, lastWords)
	defer cancel()
	if ferr := d.Facts.Flush(flush); ferr != nil {
		d.Log.Warn("the last facts were not acknowledged", "error", ferr)
	}
	stop()
	if aerr := around.Wait(); aerr != nil && !errors.Is(aerr, context.Canceled) {
		d.Log.Warn("bus", "error", aerr)
	}
	return err
}

// Dial connects to the bus once more, for what is so much that facts and commands
// must not wait behind it. It tries until ctx ends; the caller closes what it gets.
// What happens to the connection is not logged: Bus says that the bus is away.
func (d *Daemon) Dial(ctx context.Context) (*bus.Conn, error) {
	o := d.dial
	o.Log, o.Waiting = nil, nil
	return bus.Connect(ctx, o)
}

// awaitFile returns when a file is there: a bus that is coming up mints the
// credentials of those who wait for it.
func awaitFile(ctx context.Context, file string, waiting func(int, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for attempt := 1; file != ""; attempt++ {
		_, err := os.Stat(file)
		if !errors.Is(err, os.ErrNotExist) {
			return nil // whatever else is wrong with it, connecting says
		}
		if waiting != nil {
			waiting(attempt, fmt.Errorf("no credential yet: %w", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the credential %s: %w", file, ctx.Err())
		}
	}
	return nil
}

// busURL is the bus to connect to: one that was named, or the node's own.
func (d *Daemon) busURL() string {
	if d.Config.BusURL != "" {
		return d.Config.BusURL
	}
	return "nats://" + d.Config.BusListen
}

// seed is the file with the daemon's own credential.
func (d *Daemon) seed() string {
	if d.Config.BusSeedFile != "" {
		return d.Config.BusSeedFile
	}
	return d.Layout.Seed(d.Name)
}

// waiting says, after a second and then every few, what the daemon waits for.
func (d *Daemon) waiting() func(int, error) {
	began := time.Now()
	next := began.Add(time.Second)
	return func(_ int, err error) {
		if now := time.Now(); now.After(next) {
			next = now.Add(5 * time.Second)
			d.Log.Info("waiting for the bus: start one with `busd`, or name it with CORE_BUS_URL",
				"url", d.busURL(), "waited", now.Sub(began).Round(time.Second), "cause", err)
		}
	}
}

func reason(err error) string {
	if err == nil || errors.Is(err, context.Canceled) {
		return "asked to stop"
	}
	return err.Error()
}

// LoadingGOGC is what the launcher puts into a daemon's environment where the
// operator chose no GOGC: while a daemon loads hardly anything is garbage, and
// collecting it takes a tenth of a boot's processor time. Some time after Ready,
// when the node has come up, the daemon collects as usual. The value is one that
// nobody chooses.
const (
	LoadingGOGC = "GOGC=" + loadingGOGC
	loadingGOGC = "401"
)

// Loading is how long after it is ready a process may still be busy with its start.
const Loading = 5 * time.Second

// Loaded gives back what only the start took: memory that is free, and code. It may
// take milliseconds.
func Loaded() {
	debug.FreeOSMemory()
	_ = forgetCode() // which is no worse than before where it fails
}

// Ready states that the daemon serves, once the launcher has come to the
// daemon's stage, and returns when the bus has acknowledged it. addresses are by
// purpose.
func (d *Daemon) Ready(ctx context.Context, addresses map[string]string) error {
	if err := d.Await(ctx); err != nil {
		return err
	}
	all := map[string]string{"metrics": d.MetricsAddress}
	for purpose, address := range addresses {
		all[purpose] = address
	}
	d.Facts.State(events.Entity(d.Name), events.DaemonReady{PID: os.Getpid(), Version: Version(), Addresses: all}, events.ID(d.Config.Boot))
	if err := d.Facts.Flush(ctx); err != nil {
		return fmt.Errorf("state that %s is ready: %w", d.Name, err)
	}
	if d.healthy.Load() == nil {
		d.Healthy(nil)
	}
	if os.Getenv("GOGC") == loadingGOGC {
		time.AfterFunc(Loading, func() {
			debug.SetGCPercent(100)
			Loaded()
		})
	}
	d.Log.Info("ready", "addresses", all)
	return nil
}

// errReached ends the wait for a stage.
var errReached = errors.New("stage reached")

// Await returns when the launcher has come to this daemon's stage, at once
// where there is no launcher. Before it a daemon may load and listen but states
// nothing, so that every boot tells the same story. The launcher may be one that
// came later and adopted the daemon: what it states is of another boot, and
// younger than the daemon.
func (d *Daemon) Await(ctx context.Context) error {
	stage, boot := events.Entity(d.Config.Stage), events.ID(d.Config.Boot)
	if stage == "" {
		return nil
	}
	filter := events.FactSubject(d.Config.Name, events.Launcher, stage, events.StageStarting{}.EventType().Fact())
	err := d.Bus.Follow(ctx, bus.Follow{Stream: events.StreamEvents, Filter: filter}, func(r events.Record) error {
		e, err := events.DecodeRecord(r)
		if err == nil && (e.Cause == boot || e.Time.After(d.began)) {
			return errReached
		}
		return nil
	})
	if errors.Is(err, errReached) {
		return nil
	}
	return fmt.Errorf("wait for the launcher to come to stage %s: %w", stage, err)
}

package service

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
)

// Settings are what a service is told by whoever starts it. Their names are
// those of the node's settings, so that one CORE_… environment fits all.
type Settings struct {
	Node        events.Node
	BusURL      string
	BusSeedFile string
	// Listen is where HTTP is answered.
	Listen string
	// MetricsListen is where /metrics is answered; with HTTP if empty.
	MetricsListen string
	LogLevel      string
	LogFormat     string
	// StopTimeout is how long requests in flight may take to end.
	StopTimeout time.Duration
}

// Register adds the settings to a set. A field that is not zero becomes its
// setting's default.
func (s *Settings) Register(set *config.Set) {
	text := func(p *string, name, value, usage string) {
		if *p != "" {
			value = *p
		}
		set.StringVar(p, name, value, usage)
	}
	text((*string)(&s.Node), "node", "local", "name of the node the service belongs to")
	text(&s.BusURL, "bus.url", "nats://127.0.0.1:4222", "where the bus is")
	text(&s.BusSeedFile, "bus.seed-file", "", "file with the service's own bus credential (an nkey seed)")
	text(&s.Listen, "listen", "127.0.0.1:0", "host:port on which to answer HTTP; port 0 for any")
	text(&s.MetricsListen, "listen.metrics", "", "host:port for /metrics alone; beside the other routes if empty")
	text(&s.LogLevel, "log.level", "info", "debug, info, warn or error")
	text(&s.LogFormat, "log.format", "auto", "auto (text on a terminal), text or json")
	if s.StopTimeout == 0 {
		s.StopTimeout = 5 * time.Second
	}
	set.DurationVar(&s.StopTimeout, "stop.timeout", s.StopTimeout, "how long requests in flight may take to end")
}

// Validate reports every setting that cannot work.
func (s Settings) Validate() error {
	var errs []error
	if err := events.CheckToken(string(s.Node)); err != nil {
		errs = append(errs, fmt.Errorf("setting node: %w", err))
	}
	if s.BusURL == "" {
		errs = append(errs, errors.New("setting bus.url: empty: want the address of a bus, as in nats://127.0.0.1:4222"))
	}
	if err := loopback(s.Listen); err != nil {
		errs = append(errs, fmt.Errorf("setting listen: %w", err))
	}
	if err := loopback(s.MetricsListen); err != nil && s.MetricsListen != "" {
		errs = append(errs, fmt.Errorf("setting listen.metrics: %w", err))
	}
	if err := new(slog.Level).UnmarshalText([]byte(s.LogLevel)); err != nil {
		errs = append(errs, fmt.Errorf("setting log.level: %q: want debug, info, warn or error", s.LogLevel))
	}
	if s.StopTimeout <= 0 {
		errs = append(errs, fmt.Errorf("setting stop.timeout: %v: want more than 0", s.StopTimeout))
	}
	return errors.Join(errs...)
}

// loopback reports why a service cannot listen on an address: the edge is what
// faces the network, and with TLS.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q: want host:port, as in 127.0.0.1:0", address)
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q: a listener beyond loopback requires TLS, which services leave to the edge: listen on 127.0.0.1", address)
	}
	return nil
}

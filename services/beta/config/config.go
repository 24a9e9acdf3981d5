package config

import (
	"errors"
	"fmt"
	"net"

	"core.internal/shared/config"
	"core.internal/shared/service"
)

// Config has beta's settings.
type Config struct {
	service.Settings
	// URL is where the command line finds a running beta; through Edge if empty.
	URL string
	// Edge is where the node's edge listens.
	Edge string
}

// New returns beta's settings and the set that fills them.
func New() (*Config, *config.Set) {
	c, set := &Config{}, config.New("beta")
	c.Register(set)
	set.StringVar(&c.URL, "beta.url", "", "for tally: address of a running beta; the edge's beta.localhost if empty")
	set.StringVar(&c.Edge, "edge.listen", "127.0.0.1:8080", "for tally: host:port of the node's edge")
	return c, set
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	errs := []error{c.Settings.Validate()}
	if _, _, err := net.SplitHostPort(c.Edge); err != nil {
		errs = append(errs, fmt.Errorf("setting edge.listen: %q: want host:port, as in 127.0.0.1:8080", c.Edge))
	}
	return errors.Join(errs...)
}

package config

import (
	"errors"
	"fmt"
	"net"

	"core.internal/shared/config"
	"core.internal/shared/service"
)

// Config has alpha's settings.
type Config struct {
	service.Settings
	// Names is how many different names are remembered.
	Names int
	// URL is where the command line finds a running alpha; through Edge if empty.
	URL string
	// Edge is where the node's edge listens.
	Edge string
}

// New returns alpha's settings and the set that fills them.
func New() (*Config, *config.Set) {
	c, set := &Config{}, config.New("alpha")
	c.Register(set)
	set.IntVar(&c.Names, "alpha.names", 1000, "how many different names are remembered")
	set.StringVar(&c.URL, "alpha.url", "", "for greet: address of a running alpha; the edge's alpha.localhost if empty")
	set.StringVar(&c.Edge, "edge.listen", "127.0.0.1:8080", "for greet: host:port of the node's edge")
	return c, set
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	errs := []error{c.Settings.Validate()}
	if c.Names < 1 || c.Names > 10_000 {
		errs = append(errs, fmt.Errorf("setting alpha.names: %d: want 1 to 10000", c.Names))
	}
	if _, _, err := net.SplitHostPort(c.Edge); err != nil {
		errs = append(errs, fmt.Errorf("setting edge.listen: %q: want host:port, as in 127.0.0.1:8080", c.Edge))
	}
	return errors.Join(errs...)
}

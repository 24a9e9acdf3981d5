package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"core.internal/shared/config"
	"core.internal/shared/service"
)

// Config has the console's settings.
type Config struct {
	service.Settings
	// TokenFile has the login token.
	TokenFile string
	// Hosts are names under which the console is reached besides its own.
	Hosts config.Strings
	// URL is where people reach the console, for the link that is printed.
	URL string
}

// New returns the console's settings and the set that fills them.
func New() (*Config, *config.Set) {
	c, set := &Config{}, config.New("console")
	// Its own routes need a login; figures are for whoever is on this machine.
	c.MetricsListen = "127.0.0.1:0"
	c.Register(set)
	set.StringVar(&c.TokenFile, "console.token-file", "", "file with the login token, minted if it is not there; console.token beside bus.seed-file if empty")
	set.StringsVar(&c.Hosts, "console.hosts", nil, "name under which the console is reached besides console.localhost, localhost and the loopback addresses; repeatable")
	set.StringVar(&c.URL, "console.url", "http://console.localhost:8080", "where people reach the console, for the link that the verb link prints")
	return c, set
}

// Token is the file with the login token.
func (c Config) Token() (string, error) {
	switch {
	case c.TokenFile != "":
		return c.TokenFile, nil
	case c.BusSeedFile != "":
		return filepath.Join(filepath.Dir(c.BusSeedFile), "console.token"), nil
	}
	return "", errors.New("setting console.token-file: empty, and so is bus.seed-file, beside which it would be looked for: name the file with the login token")
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	_, err := c.Token()
	errs := []error{c.Settings.Validate(), err}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ *") {
			errs = append(errs, fmt.Errorf("setting console.hosts: %q: want a host name, as in console.example.org", h))
		}
	}
	return errors.Join(errs...)
}

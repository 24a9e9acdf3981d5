package caddy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/caddyserver/caddy/v2"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// network is the name under which Caddy asks for the server's own socket.
const network = "core"

// fault is a site that Caddy rejected. It is tried again when it is another one.
type fault struct {
	site   site.Site
	reason string
}

// serve loads sites, without those that Caddy rejects.
func (s *Server) serve(sites []site.Site) (map[events.Entity]string, error) {
	good := s.faultless(sites)
	err := s.load(good)
	if err != nil && s.findFaults(good) {
		err = s.load(s.faultless(sites))
	}
	refused := map[events.Entity]string{}
	for id, f := range s.faults {
		refused[id] = f.reason
	}
	return refused, err
}

// faultless leaves out the sites that are known to be at fault, and forgets the
// faults of sites that changed or went.
func (s *Server) faultless(sites []site.Site) []site.Site {
	var good []site.Site
	faults := map[events.Entity]fault{}
	for _, one := range sites {
		if f, ok := s.faults[one.Service]; ok && reflect.DeepEqual(f.site, one) {
			faults[one.Service] = f
		} else {
			good = append(good, one)
		}
	}
	s.faults = faults
	return good
}

// findFaults tries each site by itself and reports whether any is at fault.
func (s *Server) findFaults(sites []site.Site) bool {
	found := false
	for _, one := range sites {
		if one.State == state.RouteRefused {
			continue
		}
		if err := s.validate(one); err != nil {
			s.o.Log.Warn("a service's routes are rejected", "service", one.Service, "error", err)
			s.faults[one.Service] = fault{one, err.Error()}
			found = true
		}
	}
	return found
}

func (s *Server) validate(one site.Site) error {
	b, err := site.Render(s.options(), []site.Site{one})
	if err != nil {
		return err
	}
	var config *caddy.Config
	if err := json.Unmarshal(b, &config); err != nil {
		return err
	}
	return caddy.Validate(config)
}

// load makes Caddy run a configuration, if it does not already.
func (s *Server) load(sites []site.Site) error {
	b, err := site.Render(s.options(), sites)
	if err != nil {
		return err
	}
	if bytes.Equal(b, s.live) {
		return nil
	}
	began := time.Now()
	err = caddy.Load(b, true)
	s.m.reload(time.Since(began), err)
	if err != nil {
		return fmt.Errorf("load the edge's configuration: %w", err)
	}
	s.live = b
	s.m.watch(caddy.ActiveContext())
	return nil
}

func (s *Server) options() site.Options {
	return site.Options{Listen: []string{network + "/" + s.Address()}, Storage: s.o.Storage, Node: s.o.Node}
}

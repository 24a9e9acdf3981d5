package caddy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	// The modules of a stock Caddy.
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
)

// Options configure a [Server].
type Options struct {
	Site site.Options
	Log  *slog.Logger // discarded if nil
	// Reloaded is told of every configuration that Caddy took, and how long
	// that lasted; may be nil.
	Reloaded func(took time.Duration)
}

// Server is the Caddy of this process.
type Server struct {
	o Options

	mu      sync.Mutex
	applied []byte  // the configuration that Caddy runs; guarded by mu
	socket  *socket // nil while nothing listens; guarded by mu
}

// ListenError says that the edge's address cannot be listened on.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("the edge cannot listen on %s: %v: choose another address with --edge.listen, or stop what holds it", e.Address, e.Err)
}

func (e *ListenError) Unwrap() error { return e.Err }

// New prepares a server; nothing listens before Start.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{o: o}
}

// Start loads a configuration without sites and returns when the edge answers
// its own health route.
func (s *Server) Start(ctx context.Context) error {
	socket, err := openSocket(s.o.Site.Listen)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.socket = socket
	s.mu.Unlock()
	go socket.accept()
	if _, err := s.Apply(nil); err != nil {
		return errors.Join(err, s.Stop())
	}
	if err := s.Check(ctx); err != nil {
		return errors.Join(err, s.Stop())
	}
	return nil
}

// Check asks the edge's own health route.
func (s *Server) Check(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.o.Site.Listen+site.HealthPath, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("the edge does not answer: %w", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the edge's health route answers %s", answer.Status)
	}
	return nil
}

// Apply serves these sites and no others. Sites that cannot be served are left
// out; the reasons are returned by service.
func (s *Server) Apply(sites []site.Site) (refused map[events.Entity]string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	served, refused := site.Check(sites)
	err = s.load(served)
	if err == nil {
		return refused, nil
	}
	good, bad := s.separate(served)
	if len(bad) == 0 {
		return refused, err
	}
	maps.Copy(refused, bad)
	return refused, s.load(good)
}

// site has the options as Caddy is to have them: with the server's own socket.
func (s *Server) site() site.Options {
	o := s.o.Site
	o.Listen = network + "/" + o.Listen
	return o
}

// load makes Caddy run a configuration, if it does not already.
func (s *Server) load(sites []site.Site) error {
	config, err := site.Render(s.site(), sites)
	if err != nil {
		return fmt.Errorf("render the edge's configuration: %w", err)
	}
	if bytes.Equal(config, s.applied) {
		return nil
	}
	began := time.Now()
	if err := caddy.Load(config, false); err != nil {
		return fmt.Errorf("load the edge's configuration: %w", err)
	}
	s.applied = config
	if s.o.Reloaded != nil {
		s.o.Reloaded(time.Since(began))
	}
	return nil
}

// separate finds the sites that Caddy rejects by themselves.
func (s *Server) separate(sites []site.Site) (good []site.Site, bad map[events.Entity]string) {
	bad = map[events.Entity]string{}
	for _, one := range sites {
		if err := s.validate(one); err != nil {
			bad[one.Service] = err.Error()
			continue
		}
		good = append(good, one)
	}
	return good, bad
}

func (s *Server) validate(one site.Site) error {
	config, err := site.Render(s.site(), []site.Site{one})
	if err != nil {
		return err
	}
	var parsed caddy.Config
	if err := json.Unmarshal(config, &parsed); err != nil {
		return err
	}
	return caddy.Validate(&parsed)
}

// Stop closes every listener, after the grace period for requests in flight.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = nil
	err := caddy.Stop()
	if s.socket != nil {
		err = errors.Join(err, s.socket.shut(s.o.Site.Listen))
		s.socket = nil
	}
	if err != nil {
		return fmt.Errorf("stop the edge: %w", err)
	}
	return nil
}

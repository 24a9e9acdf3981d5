package server

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"sync"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// gate decides who may connect. The server asks it from its own goroutines.
type gate struct {
	node events.Node
	keys string // the key directory
	log  *slog.Logger
	// own is the public key of the server's own connection.
	own    string
	lookup func() (*natsd.Account, error)

	mu      sync.Mutex
	sources map[string]events.Source // by public key; guarded by mu
	refused events.ClientRefused     // the latest; guarded by mu
	news    chan struct{}            // has an element while refused is untold

	arrived map[events.Source]bool // services that connected and may lack their bucket; guarded by mu
	arrival chan struct{}          // has an element while there are any
}

func newGate(c Config, own string) *gate {
	return &gate{
		node: c.Node, keys: c.Keys, log: c.Log, own: own, sources: map[string]events.Source{}, news: make(chan struct{}, 1),
		arrived: map[events.Source]bool{}, arrival: make(chan struct{}, 1),
	}
}

// Check implements the server's interface for custom authentication.
func (g *gate) Check(client natsd.ClientAuthentication) bool {
	o := client.GetOpts()
	source, err := g.authenticate(o, client.GetNonce())
	var platform *natsd.Account
	if err == nil {
		platform, err = g.lookup()
	}
	if err != nil {
		user := o.Nkey
		if user == "" {
			user = o.Username
		}
		address := ""
		if a := client.RemoteAddress(); a != nil {
			address = a.String()
		}
		g.refuse(user, address, err.Error())
		return false
	}
	if IsService(source) {
		g.arrive(source)
	}
	p := Permissions(g.node, source)
	client.RegisterUser(&natsd.User{
		Username: string(source), Account: platform,
		Permissions: &natsd.Permissions{
			Publish:   &natsd.SubjectPermission{Allow: p.Publish},
			Subscribe: &natsd.SubjectPermission{Allow: p.Subscribe},
		},
	})
	return true
}

func (g *gate) authenticate(o *natsd.ClientOpts, nonce []byte) (events.Source, error) {
	if o.Nkey == "" {
		return "", fmt.Errorf("it presented no nkey")
	}
	source, err := g.source(o.Nkey)
	if err != nil {
		return "", err
	}
	signature, err := base64.RawURLEncoding.DecodeString(o.Sig)
	if err != nil {
		return "", fmt.Errorf("its signature is not readable")
	}
	public, err := nkeys.FromPublicKey(o.Nkey)
	if err != nil {
		return "", fmt.Errorf("its nkey is none")
	}
	if err := public.Verify(nonce, signature); err != nil {
		return "", fmt.Errorf("its signature is not that of %s", source)
	}
	return source, nil
}

// source returns whose a public key is, as the key directory says now.
func (g *gate) source(public string) (events.Source, error) {
	if public == g.own {
		return events.Busd, nil
	}
	g.mu.Lock()
	s, ok := g.sources[public]
	g.mu.Unlock()
	if ok {
		if now, err := bus.Public(g.keys, s); err == nil && now == public {
			return s, nil
		}
	}
	g.load()
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, ok := g.sources[public]; ok {
		return s, nil
	}
	return "", fmt.Errorf("its key is not in the bus's key directory")
}

// load reads the key directory and returns its sources.
func (g *gate) load() map[events.Source]string {
	keys, err := bus.Sources(g.keys)
	if err != nil {
		g.log.Warn("the key directory has something else than keys", "error", err)
	}
	sources := make(map[string]events.Source, len(keys))
	for s, key := range keys {
		sources[key] = s
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources = sources
	return keys
}

func (g *gate) arrive(s events.Source) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived[s] = true
	select {
	case g.arrival <- struct{}{}:
	default:
	}
}

func (g *gate) arrivals() map[events.Source]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.arrived
	g.arrived = map[events.Source]bool{}
	return all
}

func (g *gate) refuse(user, address, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = events.ClientRefused{User: clip(user), Address: address, Reason: reason, Count: g.refused.Count + 1}
	select {
	case g.news <- struct{}{}:
	default:
	}
}

func (g *gate) latest() events.ClientRefused {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// clip bounds what a stranger presented.
func clip(s string) string {
	const most = 64
	r := []rune(s)
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

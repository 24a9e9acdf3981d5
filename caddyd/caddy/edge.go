package caddy

import (
	"context"
	"time"

	"core.internal/shared/caddy"
	"core.internal/shared/caddy/site"
	"core.internal/shared/daemon"
)

// retry is the time before something that failed is tried again.
const retry = time.Second

// edge serves what a feed decides, and states it. It belongs to one goroutine.
type edge struct {
	d      *daemon.Daemon
	server *caddy.Server
	store  *store
	ledger site.Ledger
	sites  []site.Site // decided last
}

func newEdge(d *daemon.Daemon, server *caddy.Server) *edge {
	return &edge{d: d, server: server, store: newStore(d)}
}

// run says that the edge is ready once it serves what the state says, and keeps
// doing so until ctx ends.
func (e *edge) run(ctx context.Context, f *feed) error {
	select {
	case <-f.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	lists, _ := f.take()
	e.sites = lists[len(lists)-1]
	if _, err := e.server.Apply(ctx, e.sites); err != nil {
		return err
	}
	if err := e.d.Ready(ctx, map[string]string{"http": "http://" + e.server.Address()}); err != nil {
		return err
	}
	e.ledger.Note(lists[0])
	e.ledger.Forget(f.known())
	lists = lists[1:]

	stored := make(chan error, 1)
	go func() { stored <- e.store.run(ctx) }()
	defer func() { <-stored }()
	var again, settled <-chan time.Time
	for {
		for _, sites := range lists {
			e.ledger.Note(sites)
			e.sites = sites
		}
		again = nil
		if err := e.apply(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			e.d.Log.Error("the edge keeps serving what it did", "error", err)
			again = time.After(retry)
		}
		select {
		case <-f.wake:
		case <-again:
		case <-settled:
			settled = nil
			f.release()
		case <-ctx.Done():
			return ctx.Err()
		}
		var holding bool
		if lists, holding = f.take(); holding && settled == nil {
			settled = time.After(settle)
			e.store.renew()
		}
	}
}

// apply serves the sites decided last and states what that changes.
func (e *edge) apply(ctx context.Context) error {
	refused, err := e.server.Apply(ctx, e.sites)
	if err != nil {
		return err
	}
	for _, c := range e.ledger.Take(refused) {
		e.d.Facts.State(c.Service, c.Body, "")
	}
	e.store.set(e.sites, refused)
	return nil
}

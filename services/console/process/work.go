package process

import (
	"context"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/service"
	"core.internal/shared/state"
	"core.internal/shared/ui/web"
)

// Work follows the node and serves its pages until ctx ends. The console is
// ready when its view has caught up with the log.
func Work(pages *web.Server) func(context.Context, *service.Service) error {
	return func(ctx context.Context, s *service.Service) error {
		view := bus.NewView(s.Bus, s.Node)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return view.Run(ctx) })
		g.Go(func() error {
			if _, err := view.Wait(ctx, func(state.State) bool { return true }); err != nil {
				return err
			}
			return pages.Run(ctx, view, s.Bus)
		})
		changes := s.Bus.NC.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
		defer s.Bus.NC.RemoveStatusListener(changes)
		g.Go(func() error {
			for {
				select {
				case <-changes:
					pages.Connected(s.Bus.NC.IsConnected())
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		g.Go(func() error {
			if err := pages.Started(ctx); err != nil {
				return err
			}
			return s.Ready(ctx)
		})
		return g.Wait()
	}
}

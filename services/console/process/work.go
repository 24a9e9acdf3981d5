package process

import (
	"context"

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
		g.Go(func() error {
			if err := pages.Started(ctx); err != nil {
				return err
			}
			return s.Ready(ctx)
		})
		return g.Wait()
	}
}

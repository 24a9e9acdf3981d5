// Package service is what a service of the platform links: its settings from
// the CORE_… environment and flags, structured logs, an HTTP server with
// /health and /metrics that stops gracefully, a bus connection that reconnects,
// presence, the facts that it is ready and that it stopped, and the small
// command line every service has. It links no broker, no edge and no terminal
// library; a test says so.
//
// # Usage
//
//	settings := &service.Settings{}
//	set := config.New("alpha")
//	settings.Register(set)
//	if err := set.Parse(args, environ); err != nil { … }
//	err := service.Run(ctx, service.Options{
//		ID: "alpha", Settings: *settings, Log: logger, Handler: mux,
//		Work: func(ctx context.Context, s *service.Service) error {
//			restore(ctx, s.Bus)
//			if err := s.Ready(ctx); err != nil {
//				return err
//			}
//			return loop(ctx)
//		},
//	})
//
// The order of a life: listen, answer HTTP, connect, work, ready; on a signal:
// not healthy any more, requests in flight end, the work ends, the last fact is
// acknowledged, the connection closes. The listener is open before anything
// else, so a caller never sees a refused connection from a service that starts.
//
// [Exec] is the command line around it: verbs, of which one runs the service.
//
// # Concurrency
//
// [Run] blocks and joins what it started. The methods of [Service] may be called
// from any goroutine.
//
// # Testing
//
// The tests run against a real bus of shared/bus/server and real sockets on
// port 0.
package service

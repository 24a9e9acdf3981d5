package cli

import (
	"context"
	"time"

	sharedconfig "core.internal/shared/config"
	"core.internal/shared/service"

	"core.internal/services/alpha/config"
	"core.internal/services/alpha/dep"
	"core.internal/services/alpha/log"
	"core.internal/services/alpha/process"
	"core.internal/services/alpha/ui"
)

// Command is alpha's program; document is its spec.
func Command(document []byte) service.Command {
	c, set := config.New()
	return service.Command{
		Name: string(process.Source), About: "an HTTP API that counts greetings", Set: set,
		Verbs: []service.Verb{
			{Name: "serve", About: "answer HTTP until asked to stop", Run: func(ctx context.Context, call service.Call) error {
				return serve(ctx, *c, document, call)
			}},
			{Name: "greet", Args: "NAME", About: "greet somebody at a running alpha", Run: func(ctx context.Context, call service.Call) error {
				return greet(ctx, *c, call)
			}},
			service.ConfigVerb(),
			service.SpecVerb(document),
			service.VersionVerb(string(process.Source)),
		},
	}
}

// serve puts alpha together and runs it.
func serve(ctx context.Context, c config.Config, document []byte, call service.Call) error {
	s, err := dep.Parse(document)
	if err != nil {
		return err
	}
	if err := dep.Check(s, c); err != nil {
		return &sharedconfig.UsageError{Err: err}
	}
	logger, err := log.New(call.Stderr, c)
	if err != nil {
		return &sharedconfig.UsageError{Err: err}
	}
	counter := process.NewCounter(process.Limits{Names: c.Names})
	metrics := service.NewMetrics()
	if err := process.Metrics(metrics, counter); err != nil {
		return err
	}
	greetings := log.NewGreetings(logger, time.Now)
	return service.Run(ctx, service.Options{
		ID: process.Source, Settings: c.Settings, Log: logger, Metrics: metrics,
		Handler: process.Handler(counter, ui.Handler(counter.Count), func(g process.Greeted) { greetings.Write(g.Name, g.Count) }),
		Work:    process.Work(counter),
	})
}

package cli

import (
	"context"

	sharedconfig "core.internal/shared/config"
	"core.internal/shared/service"

	"core.internal/services/beta/config"
	"core.internal/services/beta/dep"
	"core.internal/services/beta/log"
	"core.internal/services/beta/process"
	"core.internal/services/beta/ui"
)

// Command is beta's program; document is its spec.
func Command(document []byte) service.Command {
	c, set := config.New()
	return service.Command{
		Name: string(process.Source), About: "the tally of the greetings that alpha states", Set: set,
		Verbs: []service.Verb{
			{Name: "serve", About: "answer HTTP until asked to stop", Run: func(ctx context.Context, call service.Call) error {
				return serve(ctx, *c, document, call)
			}},
			{Name: "tally", About: "print the tally of a running beta", Run: func(ctx context.Context, call service.Call) error {
				return tally(ctx, *c, call)
			}},
			service.ConfigVerb(),
			service.SpecVerb(document),
			service.VersionVerb(string(process.Source)),
		},
	}
}

// serve puts beta together and runs it.
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
	tally := process.NewTally()
	registry := service.NewMetrics()
	metrics, err := process.NewMetrics(registry, tally)
	if err != nil {
		return err
	}
	return service.Run(ctx, service.Options{
		ID: process.Source, Settings: c.Settings, Log: logger, Metrics: registry,
		Handler: process.Handler(tally, ui.Handler(tally.Counts)),
		Work:    process.Work(tally, metrics, log.Tallied(logger)),
	})
}

package cli

import (
	"context"
	"fmt"

	sharedconfig "core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/service"

	"core.internal/services/console/config"
	"core.internal/services/console/dep"
	"core.internal/services/console/log"
	"core.internal/services/console/process"
	"core.internal/services/console/ui/web"
)

// Command is the console's program; document is its spec.
func Command(document []byte) service.Command {
	c, set := config.New()
	return service.Command{
		Name: string(events.Console), About: "the web shell of a node", Set: set,
		Verbs: []service.Verb{
			{Name: "serve", About: "answer HTTP until asked to stop", Run: func(ctx context.Context, call service.Call) error {
				return serve(ctx, *c, document, call)
			}},
			{Name: "link", About: "print the link that logs a person in", Run: func(_ context.Context, call service.Call) error {
				return link(*c, call)
			}},
			service.ConfigVerb(),
			service.SpecVerb(document),
			service.VersionVerb(string(events.Console)),
		},
	}
}

// serve puts the console together and runs it.
func serve(ctx context.Context, c config.Config, document []byte, call service.Call) error {
	s, err := dep.Parse(document)
	if err != nil {
		return err
	}
	if err := dep.Check(s, c); err != nil {
		return &sharedconfig.UsageError{Err: err}
	}
	token, err := web.Token(c)
	if err != nil {
		return err
	}
	logger, err := log.New(call.Stderr, c, string(token))
	if err != nil {
		return &sharedconfig.UsageError{Err: err}
	}
	pages, err := web.New(c, token, logger)
	if err != nil {
		return err
	}
	return service.Run(ctx, service.Options{
		ID: events.Console, Settings: c.Settings, Log: logger,
		Handler: pages, Work: process.Work(pages), Drain: pages.Drain,
	})
}

// link prints what lets a person in: to a person, not to a log.
func link(c config.Config, call service.Call) error {
	token, err := web.Token(c)
	if err != nil {
		return &sharedconfig.UsageError{Err: err}
	}
	l, err := web.Link(c, token)
	if err != nil {
		return &sharedconfig.UsageError{Err: err}
	}
	_, err = fmt.Fprintln(call.Stdout, l)
	return err
}

package process

import (
	"context"
	"log/slog"
	"time"

	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/spec"
)

// installer brings the binaries of services onto the machine and states what it
// does; that a binary is there already it does not.
type installer struct {
	store dep.Store
	state func(events.Entity, events.Body, events.ID) events.Envelope
	log   *slog.Logger
}

func (i installer) install(ctx context.Context, s spec.Located) (string, error) {
	w, _ := dep.WantOf(s)
	id := events.Entity(s.ID)
	began, told := time.Now(), false
	paths, err := i.store.Ensure(ctx, []dep.Want{w}, func(dep.Progress) {
		if !told {
			told = true
			i.log.Info("installing", "binary", w.Name, "version", w.Version, "source", w.Source)
			i.state(id, events.DepInstalling{Name: w.Name, Version: w.Version, Source: string(w.Source)}, "")
		}
	})
	if err != nil {
		i.state(id, events.DepFailed{Name: w.Name, Version: w.Version, Source: string(w.Source), Reason: err.Error()}, "")
		return "", err
	}
	if told {
		took := float64(time.Since(began).Microseconds()) / 1000
		i.state(id, events.DepInstalled{Name: w.Name, Version: w.Version, Source: string(w.Source), TookMS: took}, "")
	}
	return paths[w.Name], nil
}

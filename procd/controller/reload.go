package controller

import (
	"context"
	"errors"
	"strings"
	"sync"

	registry "core.internal/procd/spec"
	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// specs are those of the node, read again when they change.
type specs struct {
	mu      sync.Mutex
	list    []spec.Located // in force; guarded by mu
	refused string         // why what was found later is not taken, as stated last; guarded by mu
}

// follow reads the specs again when they change, where the settings ask for it;
// digest is of the files as they were read last.
func (c *controller) follow(ctx context.Context, digest string) error {
	if !c.Config.SpecsWatch || c.Config.SpecsManual() {
		return nil
	}
	return registry.Watch(ctx, registry.Dirs(c.Config, c.workspace), digest, c.Log, func() error {
		_, err := c.reload(ctx, "")
		if refused := (refusal{}); errors.As(err, &refused) {
			return nil // it is stated
		}
		return err
	})
}

// refusal is an error of the specs themselves.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// reload reads the specs again and does what that changes. Where they are wrong
// nothing changes, and the error says why.
func (c *controller) reload(ctx context.Context, cause events.ID) (reloaded, error) {
	c.specs.mu.Lock()
	defer c.specs.mu.Unlock()
	found, err := registry.Load(c.Config, c.workspace)
	if err != nil {
		c.judge(err)
		return reloaded{}, refusal{err}
	}
	done, err := c.apply(ctx, spec.Plan(c.specs.list, found), found, cause)
	if err == nil {
		c.judge(nil)
	}
	return done, err
}

// reloaded is what a reload did: the request that new instances answer, and the
// services that were added or replaced.
type reloaded struct {
	request         events.ID
	added, replaced []events.Entity
}

// apply puts specs into force. It is called with specs.mu held.
func (c *controller) apply(ctx context.Context, changes []spec.Change, found []spec.Located, cause events.ID) (reloaded, error) {
	byID := map[spec.ServiceID]spec.Located{}
	for _, s := range found {
		byID[s.ID] = s
	}
	var fact events.SpecsApplied
	var done reloaded
	r := supervisor.Revision{Replace: map[events.Entity]bool{}}
	for _, change := range changes {
		id := events.Entity(change.ID)
		if change.Kind != spec.Removed {
			r.Register = append(r.Register, byID[change.ID])
		}
		switch change.Effect {
		case spec.StartProcess:
			fact.Added = append(fact.Added, string(id))
			done.added = append(done.added, id)
		case spec.StopProcess:
			fact.Removed = append(fact.Removed, string(id))
			r.Remove = append(r.Remove, id)
		case spec.RestartProcess:
			fact.Replaced = append(fact.Replaced, string(id))
			done.replaced = append(done.replaced, id)
			r.Replace[id] = true
		case spec.Reload:
			fact.Changed = append(fact.Changed, string(id))
		}
	}
	if len(changes) == 0 {
		return done, nil
	}
	told := len(fact.Added)+len(fact.Removed)+len(fact.Replaced)+len(fact.Changed) > 0
	if told {
		done.request = bus.NewID()
	}
	if err := c.sup.Revise(ctx, r, done.request); err != nil {
		return done, err
	}
	c.specs.list = found
	if told {
		c.Facts.StateAs(done.request, events.SpecsEntity, fact, cause)
		c.specs.refused = ""
		c.Log.Info("specs were read again", "added", fact.Added, "removed", fact.Removed, "replaced", fact.Replaced, "changed", fact.Changed)
	}
	return done, c.registry.Publish(found)
}

// applied is the outcome of a request to apply the specs: that all services
// which were added or replaced are as they should be.
func (c *controller) applied(ctx context.Context, cause events.ID) error {
	done, err := c.reload(ctx, cause)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range append(done.added, done.replaced...) {
		s, ok := c.sup.Service(id)
		if !ok || !s.Desired.Running {
			continue
		}
		goal := supervisor.Goal{Running: true}
		if s.Desired.Restart == done.request {
			goal.Request = done.request
		}
		if err := c.sup.Await(ctx, id, goal); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// longestReason bounds what a fact says of specs.
const longestReason = 8 << 10

// judge states that the specs found are wrong, or right again. It is called with
// specs.mu held.
func (c *controller) judge(broken error) {
	reason := ""
	if broken != nil {
		if reason = broken.Error(); len(reason) > longestReason {
			reason = strings.ToValidUTF8(reason[:longestReason], "") + "…"
		}
	}
	if reason == c.specs.refused {
		return
	}
	c.specs.refused = reason
	if reason == "" {
		c.Facts.State(events.SpecsEntity, events.SpecsAccepted{}, "")
		return
	}
	c.Log.Error("the specs are wrong: none of them is taken, those that were registered before stay", "error", broken)
	c.Facts.State(events.SpecsEntity, events.SpecsRefused{Reason: reason}, "")
}

// begin puts the specs into force with which procd begins, and says whether they
// are right. Those that a service was started with before procd came back are in
// force until then: what changed since is done as if procd had been there.
func (c *controller) begin(ctx context.Context, found []spec.Located, broken error, prior state.State, resume bool) error {
	c.specs.mu.Lock()
	defer c.specs.mu.Unlock()
	before := c.registry.Specs()
	if err := c.sup.Register(ctx, found); err != nil {
		return err
	}
	if broken == nil {
		if err := c.sup.Orphans(ctx); err != nil {
			return err
		}
	}
	c.specs.list = found
	if resume && broken == nil && len(before) > 0 {
		if err := c.renew(ctx, before, found, prior); err != nil {
			return err
		}
	}
	return c.registry.Publish(found)
}

// renew replaces what a procd that comes back found running by a spec that
// changed meanwhile.
func (c *controller) renew(ctx context.Context, before, found []spec.Located, prior state.State) error {
	changes := spec.Plan(before, found)
	kept := changes[:0]
	for _, change := range changes {
		if was := prior.Services[events.Entity(change.ID)]; change.Effect == spec.RestartProcess && was.Alive() {
			kept = append(kept, change)
		}
	}
	_, err := c.apply(ctx, kept, found, "")
	return err
}

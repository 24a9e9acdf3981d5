package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Hook is a command beside an instance, run with its environment, its account and
// in its directory.
type Hook struct {
	Name          string // as in "preStart[0]"
	Path          string
	Args          []string
	Err           error // why it cannot be run
	Timeout       time.Duration
	IgnoreFailure bool
}

// HookError says how a hook failed.
type HookError struct {
	Hook      string
	Reason    string
	LastLines []string // that it wrote, oldest first
}

// told is how many of a hook's last lines its error has.
const told = 3

func (e *HookError) Error() string {
	text := fmt.Sprintf("process.%s failed: %s", e.Hook, e.Reason)
	if last := e.LastLines[max(0, len(e.LastLines)-told):]; len(last) > 0 {
		text += ": " + strings.Join(last, " | ")
	}
	return text
}

// runHooks runs hooks one after the other, until one fails that may not.
func (s *Supervisor) runHooks(ctx context.Context, base process.Command, hooks []Hook) error {
	for _, h := range hooks {
		err := s.runHook(ctx, base, h)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var failed *HookError
		if errors.As(err, &failed) && h.IgnoreFailure {
			s.opt.Log.Warn("a hook failed, which its spec ignores", "service", base.ID, "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// runHook runs one. When it returns nothing of the hook is left; where ctx ended
// or its time is over that was killed.
func (s *Supervisor) runHook(ctx context.Context, base process.Command, h Hook) error {
	if h.Err != nil {
		return &HookError{Hook: h.Name, Reason: h.Err.Error()}
	}
	c := base
	c.Path, c.Args, c.Hook, c.Note, c.StopSignal = h.Path, h.Args, h.Name, "", 0
	c.Instance = base.Instance + "-" + strings.NewReplacer("[", "-", "]", "").Replace(h.Name)
	p, err := s.opt.Runner.Start(ctx, c)
	if err != nil {
		return &HookError{Hook: h.Name, Reason: err.Error()}
	}
	timer := time.NewTimer(h.Timeout)
	defer timer.Stop()
	late := false
	at, kill := context.WithCancel(ctx)
	defer kill()
	select {
	case <-p.Done():
	case <-timer.C:
		late = true
		kill()
	case <-ctx.Done():
	}
	if err := p.Stop(at); err != nil {
		s.opt.Log.Warn("ending a hook", "service", base.ID, "hook", h.Name, "error", err)
	}
	exit := p.Exit()
	if exit.OK() && !late {
		return nil
	}
	e := &HookError{Hook: h.Name, Reason: state.ExitReason(events.ServiceExited{Code: exit.Code, Signal: exit.Signal, Unknown: exit.Unknown})}
	if late {
		e.Reason = fmt.Sprintf("not done after %s, so it was killed: raise its timeout if it may take longer", h.Timeout)
	}
	for _, line := range exit.LastLines {
		e.LastLines = append(e.LastLines, strings.TrimPrefix(line, h.Name+": "))
	}
	return e
}

// after runs the hooks that follow the end of a unit's instance, then over. Until then
// the unit is stopping: what follows an end belongs to it.
func (s *Supervisor) after(u *unit, l spec.Located, kept []events.Port, exit process.Exit, over func()) {
	if len(l.Process.PostStop) == 0 || s.opt.After == nil {
		over()
		return
	}
	instance := u.instance
	if u.state != state.ServiceStopping {
		s.prober.Remove(string(u.id), instance)
		u.state, u.health, u.detail = state.ServiceStopping, state.HealthUnknown, ""
		how := state.ExitReason(events.ServiceExited{Code: exit.Code, Signal: exit.Signal, Unknown: exit.Unknown})
		s.state(u, events.ServiceStopping{Instance: instance, Reason: state.Ended + how + "; its postStop commands run"})
	}
	s.work.Go(func() {
		base, hooks, err := s.opt.After(s.life, l, Instance{Name: instance, Kept: kept})
		if err == nil {
			base.ID, base.Instance = string(u.id), instance
			base.Env = append(slices.Clone(base.Env), exitEnv(exit)...)
			err = s.runHooks(s.life, base, hooks)
		}
		s.mail.post(func() {
			if err != nil {
				s.opt.Log.Warn("after the end of a service", "service", u.id, "instance", instance, "error", err)
			}
			s.follow(string(u.id), instance) // here, where nobody comes whose runner was left to a successor
			over()
		})
	})
}

// follow has the runner record that what follows the end of an instance is done, where
// it can, see [found.followed].
func (s *Supervisor) follow(id, instance string) {
	f, ok := s.opt.Runner.(interface {
		Follow(id, instance string) error
	})
	if !ok {
		return
	}
	if err := f.Follow(id, instance); err != nil {
		s.opt.Log.Warn("its postStop commands may run again", "service", id, "instance", instance, "error", err)
	}
}

// exitEnv tells a hook how the instance ended; both are empty where nobody knows.
func exitEnv(exit process.Exit) []string {
	code := ""
	if exit.Signal == "" && !exit.Unknown {
		code = strconv.Itoa(exit.Code)
	}
	return []string{"CORE_EXIT_CODE=" + code, "CORE_EXIT_SIGNAL=" + exit.Signal}
}

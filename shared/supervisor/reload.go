package supervisor

import (
	"context"
	"fmt"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/state"
)

// Reloadable reports why a service cannot be told to read its configuration again:
// an [*UnknownError], that its spec names no signal for it, or that it does not run.
func (s *Supervisor) Reloadable(id events.Entity) error {
	_, err := s.reloadable(id)
	return err
}

// Reload sends a service's process the signal that makes it read its configuration
// again.
func (s *Supervisor) Reload(id events.Entity) error {
	send, err := s.reloadable(id)
	if err == nil {
		err = send()
	}
	return err
}

func (s *Supervisor) reloadable(id events.Entity) (send func() error, err error) {
	derr := s.do(context.Background(), func() {
		u := s.byID[id]
		if u == nil || u.gone {
			err = &UnknownError{id}
			return
		}
		signal := u.spec.Process.ReloadSignal
		p, able := u.proc.(process.Signaller)
		switch {
		case signal == "":
			err = fmt.Errorf("the spec of %s has no process.reloadSignal: restart it", id)
		case u.state != state.ServiceRunning || u.proc == nil:
			err = fmt.Errorf("%s does not run: start it", id)
		case !able:
			err = fmt.Errorf("%s is not run by anything that can send it a signal: restart it", id)
		}
		send = func() error { return p.Signal(signal.Number()) }
	})
	if derr != nil {
		return nil, derr
	}
	return send, err
}

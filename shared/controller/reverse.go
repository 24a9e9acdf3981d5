package controller

import "core.internal/shared/state"

// reverse stops what is not wanted, each service only when nothing that depends
// on it, directly or not, is still to be stopped.
func (d *decision) reverse() {
	held := make([]bool, len(d.in))
	for i := len(d.in) - 1; i >= 0; i-- {
		s := &d.in[i]
		if s.Condition {
			continue
		}
		busy := held[i]
		if !s.Want || s.State == state.ServiceStopping {
			switch s.State {
			case state.ServiceStarting, state.ServiceRunning:
				busy = true
				if !held[i] {
					d.do(i, state.ServiceStopping, Action{Verb: Stop, Reason: s.Why})
				}
			case state.ServiceStopping:
				busy = true
			}
		}
		if busy {
			for _, dep := range s.Dependencies {
				if j, ok := d.index[dep.Service]; ok {
					held[j] = true
				}
			}
		}
	}
}

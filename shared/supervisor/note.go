package supervisor

import (
	"encoding/json"
	"fmt"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
)

// note is what a supervisor needs to go on with an instance that an earlier one
// started. The runner keeps it with its record of the process.
type note struct {
	Restarts int             `json:"restarts"`
	Boot     events.ID       `json:"boot,omitempty"`    // of the node, see [Options.Boot]
	Intended time.Time       `json:"intended,omitzero"` // when its start was stated
	History  process.History `json:"history,omitzero"`  // before it
	Request  events.ID       `json:"request,omitempty"`
	Due      time.Time       `json:"due,omitzero"` // a cron job's time, from which its intervals are counted
	Ports    []events.Port   `json:"ports,omitempty"`
	Routes   []events.Route  `json:"routes,omitempty"`
	Checks                   // how its health is known
}

func (n note) encode() (string, error) {
	b, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("encode the note for an instance: %w", err)
	}
	return string(b), nil
}

// noteOf returns the note of an instance that an earlier supervisor started; the zero
// one where its runner keeps none.
func noteOf(p process.Process) (note, error) {
	r, ok := p.(process.Recorded)
	if !ok {
		return note{}, nil
	}
	var n note
	if err := json.Unmarshal([]byte(r.Note()), &n); err != nil {
		return note{}, fmt.Errorf("read the note of instance %s: %w", p.Instance(), err)
	}
	return n, nil
}

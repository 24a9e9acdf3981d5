package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// crowd is a node with many services that take a while to start, and what it was told
// about facts to keep back.
type crowd struct {
	*node

	mu   sync.Mutex
	held []bool // guarded by mu
}

// slots is how many start at once.
const slots = 8

func crowded(t *testing.T, r *scripted) *crowd {
	t.Helper()
	c := &crowd{}
	var lines []string
	for i := range 60 {
		id := fmt.Sprint("s", i)
		lines = append(lines, id+":")
		if r.delay[id] == 0 {
			r.delay[id] = 100 * time.Millisecond
		}
	}
	c.node = begin(t, r, func(o *supervisor.Options) {
		o.Hold = func(on bool) { c.mu.Lock(); defer c.mu.Unlock(); c.held = append(c.held, on) }
	})
	register(t, c.node, lines...)
	<-time.After(250 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) == 0 || !c.held[len(c.held)-1] {
		t.Errorf("facts are not kept back in the middle: %v", c.held)
	}
	return c
}

// released says whether facts may go, as far as it was told.
func (c *crowd) released() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) > 0 && !c.held[len(c.held)-1]
}

func (c *crowd) in(s state.ServiceState) (n int) {
	for _, v := range c.Supervisor.State().Services {
		if v.State == s {
			n++
		}
	}
	return n
}

func TestCrowdComesUp(t *testing.T) {
	for name, do := range map[string]func(*testing.T, *scripted){
		"starts": func(t *testing.T, r *scripted) {
			c := crowded(t, r)
			<-time.After(time.Second)
			if n := c.in(state.ServiceRunning); n != 60 || !c.released() {
				t.Errorf("%d run, released %t", n, c.released())
			}
		},
		"fails": func(t *testing.T, r *scripted) {
			for i := range 60 {
				r.fail[fmt.Sprint("s", i)] = errors.New("no")
			}
			c := crowded(t, r)
			<-time.After(time.Hour)
			if n := c.in(state.ServiceFailed); n != 60 || !c.released() {
				t.Errorf("%d failed, released %t", n, c.released())
			}
		},
		// What hangs keeps its place. A stop gives it up.
		"hangs": func(t *testing.T, r *scripted) {
			for i := range 8 {
				r.delay[fmt.Sprint("s", 10+i)] = 24 * time.Hour
			}
			c := crowded(t, r)
			<-time.After(time.Hour)
			if n := c.in(state.ServiceStarting); n < 8 {
				t.Errorf("%d are starting", n)
			}
			for i := range 8 {
				if err := c.Desire(events.Entity(fmt.Sprint("s", 10+i)), false, ""); err != nil {
					t.Error(err)
				}
			}
			<-time.After(2 * time.Second)
			if n := c.in(state.ServiceRunning); n != 52 || !c.released() {
				t.Errorf("%d run, released %t", n, c.released())
			}
		},
		"ends": func(t *testing.T, r *scripted) {
			c := crowded(t, r)
			began := time.Now()
			if err := c.stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > time.Second || len(r.live) > 0 {
				t.Errorf("took %v, %d live", took, len(r.live))
			}
			for id, n := range r.starts {
				if n > 1 {
					t.Errorf("%s was started %d times", id, n)
				}
			}
			if !c.released() {
				t.Error("facts are kept back")
			}
		},
		// What runs is left to a successor, all of it stated, and nothing begins any more.
		"leaves": func(t *testing.T, r *scripted) {
			c := crowded(t, r)
			c.leave()
			if err := c.stop(); err != nil {
				t.Error(err)
			}
			before := len(r.live)
			<-time.After(time.Minute)
			if before < slots || len(r.live) != before {
				t.Errorf("%d are left, and were %d", len(r.live), before)
			}
			for id := range r.live {
				if told := c.told(events.Entity(id)); !slices.Contains(told, "starting") {
					t.Errorf("%s: %q", id, told)
				}
			}
		},
		// A restart and a stop of what waits for its start.
		"changes": func(t *testing.T, r *scripted) {
			c := crowded(t, r)
			for id, do := range map[events.Entity]func(events.Entity) error{
				"s57": func(id events.Entity) error { return c.Restart(id, "") },
				"s58": func(id events.Entity) error { return c.Desire(id, false, "") },
				"s59": func(id events.Entity) error {
					return errors.Join(c.Desire(id, false, ""), c.Desire(id, true, ""))
				},
			} {
				if err := do(id); err != nil {
					t.Error(err)
				}
			}
			<-time.After(10 * time.Second)
			if n := c.in(state.ServiceRunning); n != 59 || !c.released() || r.count("s57") != 1 || r.count("s58") != 0 {
				t.Errorf("%d run, released %t, starts %v", n, c.released(), r.starts)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { do(t, newScripted()) })
		})
	}
}

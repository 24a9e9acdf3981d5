package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// journal states facts into memory.
type journal struct {
	mu    sync.Mutex
	n     int
	facts []events.Envelope
	src   events.Source
}

func (j *journal) State(e events.Entity, b events.Body, cause events.ID) events.Envelope {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	env, err := events.New(events.Header{
		ID: events.ID(fmt.Sprint("f", j.n)), Time: time.Now(), Node: "local", Source: j.src, Entity: e, Cause: cause,
	}, b)
	if err != nil {
		panic(err)
	}
	j.facts = append(j.facts, env)
	return env
}

// told lists the facts about an entity as "starting", "exited: exit status 1", ….
func (j *journal) told(id events.Entity) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, e := range j.facts {
		if e.Entity != id {
			continue
		}
		text := string(e.Type.Fact())
		var body struct {
			Reason   string   `json:"reason"`
			Code     *int     `json:"code"`
			Signal   string   `json:"signal"`
			Expected bool     `json:"expected"`
			Adopted  bool     `json:"adopted"`
			On       []string `json:"on"`
		}
		if err := json.Unmarshal(e.Data, &body); err != nil {
			panic(err)
		}
		switch {
		case body.Reason != "":
			text += ": " + body.Reason
		case body.Signal != "":
			text += ": " + body.Signal
		case body.Code != nil:
			text += fmt.Sprintf(": %d", *body.Code)
		}
		if body.Adopted {
			text += ", adopted"
		}
		if body.Expected {
			text += ", expected"
		}
		out = append(out, text)
	}
	return out
}

// order lists "entity fact" of all facts of some kinds.
func (j *journal) order(facts ...events.Fact) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, e := range j.facts {
		for _, f := range facts {
			if e.Type.Fact() == f {
				out = append(out, string(e.Entity)+" "+string(f))
			}
		}
	}
	return out
}

// lawful checks what was stated against the transition table of package state.
func (j *journal) lawful(t testing.TB, before state.State) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	const down = "idle waiting scheduled backoff exited completed failed stopped"
	from := map[events.Fact]string{
		"waiting": down, "starting": down, "started": "starting", "healthy": "running", "unhealthy": "running",
		"unready": "running", "lines_dropped": "starting running stopping",
		"stopping": "starting running", "exited": "starting running stopping", "backed_off": "exited", "completed": "exited",
		"exhausted": down, "stopped": down, "scheduled": down,
	}
	s := before
	for _, e := range j.facts {
		is := s.Services[e.Entity].State
		if is == "" {
			is = state.ServiceIdle
		}
		allowed, ok := from[e.Type.Fact()]
		if started, err := events.As[events.ServiceStarted](e); err == nil && started.Adopted {
			ok = false
		}
		if ok && !slices.Contains(strings.Fields(allowed), string(is)) {
			t.Errorf("%s was stated %s while it was %s", e.Entity, e.Type.Fact(), is)
		}
		s = state.Fold(s, e)
	}
	if s.Dead.Count > 0 {
		t.Errorf("facts that are not understood: %s", s.Dead.Reason)
	}
}

// scripted is a runner whose processes do what a test says.
type scripted struct {
	mu     sync.Mutex
	pid    int
	fail   map[string]error         // starts that fail
	life   map[string]time.Duration // how long an instance lives by itself
	exit   map[string]process.Exit  // how it ends then
	slow   map[string]time.Duration // how long it takes to stop; killed when ctx ends
	delay  map[string]time.Duration // how long it takes to start
	live   map[string]*fake
	starts map[string]int
	before map[string]*fake // what an earlier supervisor left
	dead   map[string]*fake // what ended since
	bad    string           // whose record cannot be read

	patterns map[string]string // of the last instance
}

func newScripted() *scripted {
	return &scripted{
		pid: 100, fail: map[string]error{}, life: map[string]time.Duration{}, exit: map[string]process.Exit{},
		slow: map[string]time.Duration{}, delay: map[string]time.Duration{}, live: map[string]*fake{}, starts: map[string]int{}, before: map[string]*fake{}, dead: map[string]*fake{},
		patterns: map[string]string{},
	}
}

type fake struct {
	r        *scripted
	id       string
	instance string
	note     string
	pid      int
	once     sync.Once
	done     chan struct{}
	exit     process.Exit
	matched  chan struct{}
	dropped  chan int
}

func (f *fake) Matched() <-chan struct{} { return f.matched }
func (f *fake) Dropped() <-chan int      { return f.dropped }

func (f *fake) PID() int              { return f.pid }
func (f *fake) Instance() string      { return f.instance }
func (f *fake) Note() string          { return f.note }
func (f *fake) Digest() string        { return "" }
func (f *fake) Adopted() bool         { return true }
func (f *fake) Done() <-chan struct{} { return f.done }
func (f *fake) Exit() process.Exit    { return f.exit }

func (f *fake) end(e process.Exit) {
	f.once.Do(func() {
		f.r.mu.Lock()
		delete(f.r.live, f.id)
		f.r.mu.Unlock()
		f.exit = e
		close(f.done)
	})
}

func (f *fake) Stop(ctx context.Context) error {
	f.r.mu.Lock()
	slow := f.r.slow[f.id]
	f.r.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			f.end(process.Exit{Code: -1, Signal: "SIGKILL"})
		}
	}
	f.end(process.Exit{})
	<-f.done
	return nil
}

func (r *scripted) Start(ctx context.Context, c process.Command) (process.Process, error) {
	r.mu.Lock()
	delay := r.delay[c.ID]
	r.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starts[c.ID]++
	if err := r.fail[c.ID]; err != nil {
		return nil, err
	}
	if r.live[c.ID] != nil {
		return nil, errors.New("it runs already: two instances at once")
	}
	r.pid++
	f := &fake{r: r, id: c.ID, instance: c.Instance, note: c.Note, pid: r.pid, done: make(chan struct{})}
	f.matched, f.dropped = make(chan struct{}), make(chan int, 1)
	r.patterns[c.ID] = c.Output.Pattern
	r.live[c.ID] = f
	if d, ok := r.life[c.ID]; ok {
		exit := r.exit[c.ID]
		time.AfterFunc(d, func() { f.end(exit) })
	}
	return f, nil
}

func (r *scripted) Adopt(_ context.Context, id string) (process.Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad != "" && id == r.bad {
		return nil, errors.New("its record is nonsense")
	}
	if f := r.before[id]; f != nil {
		r.live[id] = f
		return f, nil
	}
	return nil, nil
}

func (r *scripted) Recorded() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for id := range r.before {
		ids = append(ids, id)
	}
	if r.bad != "" {
		ids = append(ids, r.bad)
	}
	return ids, nil
}

func (r *scripted) Ended(id string) process.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.dead[id]; f != nil {
		return f
	}
	return nil
}

func (r *scripted) Forget(string) error { return nil }

func (r *scripted) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *scripted) count(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.starts[id]
}

// services parses specs from lines "id: dependency dependency; more JSON".
func services(t *testing.T, lines ...string) []spec.Located {
	t.Helper()
	var out []spec.Located
	for _, line := range lines {
		head, more, _ := strings.Cut(line, ";")
		id, deps, _ := strings.Cut(head, ":")
		quoted := []string{}
		for _, d := range strings.Fields(deps) {
			quoted = append(quoted, fmt.Sprintf("%q", d))
		}
		text := fmt.Sprintf(`{"id":%q,"process":{"command":"/bin/true"},"dependencies":[%s]%s}`, id, strings.Join(quoted, ","), more)
		l, err := spec.ParseLocated(id+".json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// node is a supervisor under test.
type node struct {
	*supervisor.Supervisor
	*journal
	run   *scripted
	stop  func() error
	leave func() // ends it with ErrLeave; stop waits
}

func begin(t *testing.T, r *scripted, change func(*supervisor.Options)) *node {
	t.Helper()
	j := &journal{src: events.Procd}
	o := supervisor.Options{
		Node: "local", Source: events.Procd, Facts: j, Runner: r,
		Build: func(context.Context, spec.Located, supervisor.Instance) (supervisor.Built, error) {
			return supervisor.Built{Command: process.Command{Path: "/bin/true"}}, nil
		},
		Want: func(spec.Located) events.ServiceDesired { return events.ServiceDesired{Enabled: true, Running: true} },
	}
	if change != nil {
		change(&o)
	}
	s := supervisor.New(o)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(nil); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		before := state.New("local")
		if o.Prior != nil {
			before = *o.Prior
		}
		j.lawful(t, before)
	})
	return &node{Supervisor: s, journal: j, run: r, stop: stop, leave: func() { cancel(supervisor.ErrLeave) }}
}

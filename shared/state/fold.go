package state

import (
	"fmt"
	"maps"

	"core.internal/shared/events"
)

// New is the state before any fact.
func New(node events.Node) State {
	return State{
		Version: Version, Node: node,
		Stages:   map[events.Entity]Stage{},
		Daemons:  map[events.Entity]Service{},
		Services: map[events.Entity]Service{},
		Routes:   map[events.Entity]Route{},
		Runs:     map[events.Entity]Run{},
		Ready:    map[events.Source]Ready{},
		Outcomes: []Outcome{},
	}
}

// Fold adds one fact. A fact of another node, or one that stands at a sequence
// which s already has, changes nothing; one whose body is not understood, or
// that its source may not state, is counted in [State.Dead].
func Fold(s State, e events.Envelope) State {
	b := Builder{s: s}
	b.Fold(e)
	return b.s
}

// Apply decodes a record and folds it; a record that is not understood is
// counted in [State.Dead].
func Apply(s State, r events.Record) State {
	b := Builder{s: s}
	b.Apply(r)
	return b.s
}

// Builder folds many facts without copying a map for each: it copies a map only
// when it first writes to it after [Builder.State] handed it out. The states it
// gives are the ones that [Fold] gives.
type Builder struct {
	s   State
	own owned // the parts of s that nobody else has
}

type owned struct {
	stages, daemons, services, routes, runs, ready, outcomes bool
}

// NewBuilder begins at s.
func NewBuilder(s State) *Builder { return &Builder{s: s} }

// State is what has been folded so far.
func (b *Builder) State() State {
	b.own = owned{}
	return b.s
}

// Peek is State for who is done with it before the next fold: the builder goes
// on writing into its maps.
func (b *Builder) Peek() State { return b.s }

// Seq is the sequence of the last record folded.
func (b *Builder) Seq() uint64 { return b.s.Seq }

// Apply is the package's Apply on the builder's state.
func (b *Builder) Apply(r events.Record) {
	if r.Seq > 0 && r.Seq <= b.s.Seq {
		return
	}
	e, err := events.DecodeRecord(r)
	if err != nil {
		b.dead(r.Seq, err)
		b.s.Seq = r.Seq
		return
	}
	b.Fold(e)
}

// Fold is the package's Fold on the builder's state.
func (b *Builder) Fold(e events.Envelope) {
	if e.Seq > 0 {
		if e.Seq <= b.s.Seq {
			return
		}
		b.s.Seq = e.Seq
	}
	if e.Node != b.s.Node {
		return
	}
	aggregate := e.Type.Aggregate()
	f, ok := folds[aggregate]
	if !ok {
		return // a service's own fact, or one that concerns no state
	}
	if !f.by(e) {
		b.dead(e.Seq, fmt.Errorf("%s about %s is not %s's to state", e.Type, e.Entity, e.Source))
		return
	}
	body, err := events.Payload(e)
	if err != nil {
		b.dead(e.Seq, err)
		return
	}
	e.Time = e.Time.UTC()
	f.fold(b, e, body)
}

// aggregate is one fold and who may state its facts.
type aggregate struct {
	by   func(events.Envelope) bool
	fold func(*Builder, events.Envelope, events.Body)
}

// folds has one fold per aggregate; "request" and "step" are no facts, and
// "process" concerns only supervisors, "dep" only who reads the events.
var folds = map[string]aggregate{
	"stage":     {by(events.Launcher), foldStage},
	"service":   {by(events.Procd, events.Launcher), foldService},
	"route":     {by(events.Caddyd), foldRoute},
	"run":       {by(events.Pipelined), foldRun},
	"daemon":    {aboutItself, foldReady},
	"client":    {by(events.Busd), foldRefused},
	"specs":     {by(events.Procd), foldSpecs},
	"decisions": {by(events.Procd), foldDecisions},
	"dead":      {by(events.Procd), foldKept},
	"command":   {anybody, foldOutcome},
}

func by(sources ...events.Source) func(events.Envelope) bool {
	return func(e events.Envelope) bool {
		for _, s := range sources {
			if e.Source == s {
				return true
			}
		}
		return false
	}
}

func aboutItself(e events.Envelope) bool { return string(e.Source) == string(e.Entity) }

// anybody may say what became of a request to it: whose the request was is
// known by its id alone.
func anybody(events.Envelope) bool { return true }

func (b *Builder) dead(seq uint64, err error) {
	b.s.Dead.Count++
	b.s.Dead.Seq = max(seq, b.s.Dead.Seq)
	b.s.Dead.Reason = err.Error()
}

func foldKept(b *Builder, _ events.Envelope, body events.Body) {
	var k events.Kept
	switch f := body.(type) {
	case events.DeadMalformed:
		k = f.Kept
	case events.DeadOversized:
		k = f.Kept
	case events.DeadUnknown:
		k = f.Kept
	}
	b.s.Dead.Kept = max(k.Seq, b.s.Dead.Kept)
}

func foldRefused(b *Builder, e events.Envelope, body events.Body) {
	if f, ok := body.(events.ClientRefused); ok {
		b.s.Refused = Refused{Count: f.Count, Last: &f, Since: e.Time}
	}
}

func foldSpecs(b *Builder, e events.Envelope, body events.Body) {
	b.s.Specs = Specs{}
	if f, ok := body.(events.SpecsRefused); ok {
		b.s.Specs = Specs{Reason: f.Reason, Since: e.Time}
	}
}

func foldDecisions(b *Builder, e events.Envelope, body events.Body) {
	b.s.Decisions = Decisions{}
	if f, ok := body.(events.DecisionsDamaged); ok {
		b.s.Decisions = Decisions{Reason: f.Reason, Known: f.Known, Since: e.Time}
	}
}

func foldReady(b *Builder, e events.Envelope, body events.Body) {
	r := Ready{Since: e.Time}
	switch f := body.(type) {
	case events.DaemonReady:
		r.Ready, r.PID, r.Version, r.Addresses = true, f.PID, f.Version, f.Addresses
	case events.DaemonStopped:
		r.Version, r.Reason = b.s.Ready[e.Source].Version, f.Reason
	}
	write(&b.s.Ready, &b.own.ready)[e.Source] = r
}

// write returns a map that may be written to: m itself where it is owned, else
// a copy that replaces it.
func write[K comparable, V any](m *map[K]V, own *bool) map[K]V {
	if !*own {
		if *m == nil {
			*m = map[K]V{}
		} else {
			*m = maps.Clone(*m)
		}
		*own = true
	}
	return *m
}

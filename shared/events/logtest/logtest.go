package logtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/events"
)

// Run tests logs; each call of open returns an empty one.
func Run(t *testing.T, open func(t *testing.T) events.Log) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"an empty log", (*suite).empty},
		{"facts are read as they were appended", (*suite).order},
		{"an expectation that fails stores nothing", (*suite).conflict},
		{"expectations are per source and entity", (*suite).scope},
		{"a writer that expects nothing", (*suite).any},
		{"an id is stored once", (*suite).once},
		{"the last of a filter", (*suite).lasts},
		{"reading after a sequence", (*suite).after},
		{"reading ends where the log ended when it began", (*suite).bounded},
		{"an oversized fact is not stored", (*suite).oversized},
		{"an ended context", (*suite).cancelled},
		{"of several writers one wins each place", (*suite).race},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			c.test(&suite{T: t, ctx: ctx, log: open(t)})
		})
	}
}

type suite struct {
	*testing.T
	ctx context.Context
	log events.Log
	ids int
}

// fact returns a fact with an id of its own.
func (s *suite) fact(source events.Source, entity events.Entity, b events.Body) events.Envelope {
	s.Helper()
	s.ids++
	e, err := events.New(events.Header{
		ID: events.ID(fmt.Sprintf("id-%d", s.ids)), Time: time.Date(2030, 1, 2, 3, 4, 5, s.ids, time.UTC),
		Node: "local", Source: source, Entity: entity,
	}, b)
	if err != nil {
		s.Fatal(err)
	}
	return e
}

func (s *suite) append(e events.Envelope, last uint64) uint64 {
	s.Helper()
	seq, err := s.log.Append(s.ctx, e, last)
	if err != nil {
		s.Fatalf("append %s after %d: %v", e.ID, last, err)
	}
	return seq
}

func (s *suite) last(filter events.Subject) uint64 {
	s.Helper()
	seq, err := s.log.Last(s.ctx, filter)
	if err != nil {
		s.Fatalf("last of %s: %v", filter, err)
	}
	return seq
}

// read returns what is stored after a sequence, one "seq type entity" per line.
func (s *suite) read(after uint64) string {
	s.Helper()
	var b strings.Builder
	for r, err := range s.log.Read(s.ctx, after) {
		if err != nil {
			s.Fatalf("read after %d: %v", after, err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			s.Fatal(err)
		}
		fmt.Fprintf(&b, "%d %s %s\n", r.Seq, e.Type, e.Entity)
	}
	return b.String()
}

func (s *suite) want(got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("got\n%swant\n%s", got, want)
	}
}

func (s *suite) empty() {
	if seq := s.last(events.AllFacts); seq != 0 {
		s.Errorf("the last sequence is %d", seq)
	}
	s.want(s.read(0), "")
	s.want(s.read(10), "")
}

func (s *suite) order() {
	began := time.Now().Add(-time.Minute)
	e := s.fact(events.Procd, "alpha", events.ServiceStarting{Instance: "i1"})
	a := s.append(e, 0)
	b := s.append(s.fact(events.Procd, "beta", events.ServiceStopped{Reason: "x"}), 0)
	c := s.append(s.fact(events.Procd, "alpha", events.ServiceHealthy{Instance: "i1"}), a)
	if !(0 < a && a < b && b < c) {
		s.Errorf("sequences %d %d %d do not rise", a, b, c)
	}
	s.want(s.read(0), fmt.Sprintf("%d service.starting alpha\n%d service.stopped beta\n%d service.healthy alpha\n", a, b, c))
	for r, err := range s.log.Read(s.ctx, 0) {
		if err != nil {
			s.Fatal(err)
		}
		if r.Subject != "core.event.local.procd.alpha.starting" || r.Seq != a {
			s.Errorf("the first record is %d on %s", r.Seq, r.Subject)
		}
		if want, _ := e.Encode(); string(r.Data) != string(want) {
			s.Errorf("the first record is %s, want %s", r.Data, want)
		}
		if r.Time.Before(began) || r.Time.After(time.Now().Add(time.Minute)) || r.Time.Location() != time.UTC {
			s.Errorf("the first record was stored at %v", r.Time)
		}
		break
	}
}

func (s *suite) conflict() {
	a := s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), 0)
	for _, last := range []uint64{0, a + 1, a + 100} {
		_, err := s.log.Append(s.ctx, s.fact(events.Procd, "alpha", events.ServiceUnregistered{}), last)
		var conflict *events.ConflictError
		if !errors.As(err, &conflict) {
			s.Fatalf("appended after %d: %v, want a conflict", last, err)
		}
		if want := (events.ConflictError{Subject: "core.event.local.procd.alpha.*", Want: last, Got: a}); *conflict != want {
			s.Errorf("the conflict is %+v, want %+v", *conflict, want)
		}
	}
	s.want(s.read(0), fmt.Sprintf("%d service.stopped alpha\n", a))
	b := s.append(s.fact(events.Procd, "alpha", events.ServiceUnregistered{}), a)
	s.want(s.read(a), fmt.Sprintf("%d service.unregistered alpha\n", b))
}

func (s *suite) scope() {
	a := s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), 0)
	s.append(s.fact(events.Procd, "beta", events.ServiceStopped{}), 0)
	s.append(s.fact(events.Launcher, "alpha", events.ServiceStopped{}), 0)
	s.append(s.fact(events.Procd, "alpha-2", events.ServiceStopped{}), 0)
	s.append(s.fact(events.Procd, "alpha", events.ServiceUnregistered{}), a)
}

func (s *suite) any() {
	s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), events.AnySequence)
	b := s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), events.AnySequence)
	s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), b)
}

func (s *suite) once() {
	first := s.fact(events.Procd, "alpha", events.ServiceStopped{})
	a := s.append(first, 0)
	if again := s.append(first, 0); again != a {
		s.Errorf("appended again with the old expectation: %d, want %d", again, a)
	}
	if again := s.append(first, a); again != a {
		s.Errorf("appended again with the new expectation: %d, want %d", again, a)
	}
	if again := s.append(first, events.AnySequence); again != a {
		s.Errorf("appended again without an expectation: %d, want %d", again, a)
	}
	b := s.append(s.fact(events.Procd, "alpha", events.ServiceUnregistered{}), a)
	if again := s.append(first, 0); again != a {
		s.Errorf("appended again after another: %d, want %d", again, a)
	}
	s.want(s.read(0), fmt.Sprintf("%d service.stopped alpha\n%d service.unregistered alpha\n", a, b))
}

func (s *suite) lasts() {
	a := s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), 0)
	b := s.append(s.fact(events.Procd, "alpha", events.ServiceUnregistered{}), a)
	c := s.append(s.fact(events.Procd, "beta", events.ServiceStopped{}), 0)
	for _, l := range []struct {
		filter events.Subject
		want   uint64
	}{
		{events.AllFacts, c},
		{events.NodeFacts("local"), c},
		{events.NodeFacts("elsewhere"), 0},
		{events.SourceFacts("local", events.Procd), c},
		{events.SourceFacts("local", events.Launcher), 0},
		{events.EntityFacts("local", events.Procd, "alpha"), b},
		{events.EntityFacts("local", events.Procd, "gamma"), 0},
		{events.FactSubject("local", events.Procd, "alpha", "stopped"), a},
		{events.FactSubject("local", events.Any, events.Any, "stopped"), c},
	} {
		if got := s.last(l.filter); got != l.want {
			s.Errorf("the last of %s is %d, want %d", l.filter, got, l.want)
		}
	}
}

func (s *suite) after() {
	var seqs []uint64
	for range 10 {
		seqs = append(seqs, s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), events.AnySequence))
	}
	for i, seq := range seqs {
		if got := strings.Count(s.read(seq), "\n"); got != len(seqs)-1-i {
			s.Errorf("%d records after %d, want %d", got, seq, len(seqs)-1-i)
		}
	}
	s.want(s.read(seqs[9]+100), "")
}

func (s *suite) bounded() {
	for range 5 {
		s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), events.AnySequence)
	}
	n := 0
	for _, err := range s.log.Read(s.ctx, 0) {
		if err != nil {
			s.Fatal(err)
		}
		n++
		s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), events.AnySequence)
	}
	if n != 5 {
		s.Errorf("read %d records of the 5 that were there", n)
	}
}

func (s *suite) oversized() {
	e := s.fact(events.Procd, "alpha", events.ServiceStopped{Reason: strings.Repeat("x", events.MaxEnvelope)})
	_, err := s.log.Append(s.ctx, e, 0)
	var d *events.DecodeError
	if !errors.As(err, &d) || d.Kind != events.Oversized {
		s.Errorf("appended: %v, want it to be oversized", err)
	}
	s.want(s.read(0), "")
}

func (s *suite) cancelled() {
	s.append(s.fact(events.Procd, "alpha", events.ServiceStopped{}), 0)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.log.Append(ctx, s.fact(events.Procd, "beta", events.ServiceStopped{}), 0); !errors.Is(err, context.Canceled) {
		s.Errorf("append: %v", err)
	}
	if _, err := s.log.Last(ctx, events.AllFacts); !errors.Is(err, context.Canceled) {
		s.Errorf("last: %v", err)
	}
	n := 0
	for _, err := range s.log.Read(ctx, 0) {
		n++
		if !errors.Is(err, context.Canceled) {
			s.Errorf("read: %v", err)
		}
	}
	if n != 1 {
		s.Errorf("a read with an ended context yielded %d times, want one error", n)
	}
	if strings.Count(s.read(0), "\n") != 1 {
		s.Errorf("an append with an ended context was stored")
	}
}

func (s *suite) race() {
	const writers, each = 8, 10
	var facts [writers][each]events.Envelope
	for w := range facts {
		for i := range facts[w] {
			facts[w][i] = s.fact(events.Procd, "alpha", events.ServiceStopped{Reason: fmt.Sprint(w)})
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range facts {
		wg.Go(func() { errs <- s.write(facts[w][:]) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			s.Error(err)
		}
	}
	if n := strings.Count(s.read(0), "\n"); n != writers*each {
		s.Errorf("%d records, want %d", n, writers*each)
	}
}

// write appends facts, reading again after each conflict.
func (s *suite) write(facts []events.Envelope) error {
	for _, e := range facts {
		for {
			last, err := s.log.Last(s.ctx, events.EntityFacts(e.Node, e.Source, e.Entity))
			if err != nil {
				return err
			}
			var conflict *events.ConflictError
			if _, err = s.log.Append(s.ctx, e, last); err == nil {
				break
			} else if !errors.As(err, &conflict) {
				return err
			}
		}
	}
	return nil
}

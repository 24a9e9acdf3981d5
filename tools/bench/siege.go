package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"core.internal/shared/state"
)

// oneService is the victim of which plan says the number.
const oneService = "service"

// stroke is one kill to come.
type stroke struct {
	at      time.Duration
	victim  string // a daemon, or oneService
	service int
}

// plan is the same for the same seed.
func plan(c chaos, services int, long time.Duration) ([]stroke, error) {
	daemons := strings.FieldsFunc(c.daemons, func(r rune) bool { return r == ',' })
	for _, d := range daemons {
		if !slices.Contains([]string{"procd", "busd", "caddyd", "pipelined"}, d) {
			return nil, fmt.Errorf("-daemons %q: there is no daemon %q", c.daemons, d)
		}
	}
	if services <= 0 || c.every <= 0 || c.rest <= 0 {
		return nil, fmt.Errorf("%d services, a kill every %s and of a daemon every %s: want more than 0 of each", services, c.every, c.rest)
	}
	random := rand.New(rand.NewPCG(c.seed, 0))
	var kills []stroke
	series := func(mean time.Duration, make func() stroke) {
		for at := time.Duration(0); ; {
			at += time.Duration(random.ExpFloat64() * float64(mean))
			if at >= long {
				return
			}
			s := make()
			s.at = at
			kills = append(kills, s)
		}
	}
	series(c.every, func() stroke { return stroke{victim: oneService, service: random.IntN(services)} })
	if len(daemons) > 0 {
		turn := 0 // each is killed as often as the others
		series(c.rest, func() stroke {
			turn++
			return stroke{victim: daemons[turn%len(daemons)]}
		})
	}
	slices.SortFunc(kills, func(a, b stroke) int { return int(a.at - b.at) })
	return kills, nil
}

// siege is a node that is being killed piece by piece.
type siege struct {
	n        *node
	services int
	people   *census
	now      map[string][]resident        // by service, as last seen
	seen     map[string]map[instance]bool // every instance of each service
	dead     map[instance]bool            // killed here
	deaths   map[string]int               // of each service
	double   map[string]string            // services that were seen twice at once, and as what

	killed, missed map[string]int // by victim
	// What came of it.
	settled                   time.Duration
	restarts, instances, most int
}

func newSiege(n *node, services int) *siege {
	return &siege{
		n: n, services: services, people: newCensus(n.root),
		seen: map[string]map[instance]bool{}, dead: map[instance]bool{}, deaths: map[string]int{}, double: map[string]string{},
		killed: map[string]int{}, missed: map[string]int{},
	}
}

// watch is how often all processes are looked at.
const watch = 250 * time.Millisecond

// run carries out the plan.
func (s *siege) run(ctx context.Context, kills []stroke) error {
	began := time.Now()
	next := time.Duration(0) // when to look
	for len(kills) > 0 {
		at := min(kills[0].at, next)
		if err := pause(ctx, time.Until(began.Add(at))); err != nil {
			return err
		}
		if next <= kills[0].at {
			if err := s.look(); err != nil {
				return err
			}
			next = max(next+watch, time.Since(began))
			continue
		}
		s.strike(kills[0])
		kills = kills[1:]
	}
	return nil
}

// look takes note of all processes.
func (s *siege) look() error {
	by, err := leaders(s.people)
	if err != nil {
		return err
	}
	s.now = by
	for id, list := range by {
		if s.seen[id] == nil {
			s.seen[id] = map[instance]bool{}
		}
		for _, r := range list {
			s.seen[id][r.instance] = true
		}
		if len(list) > 1 {
			s.doubled(id, list)
		}
	}
	return nil
}

// doubled notes that a service has several processes, if they are there at once:
// while all are listed one may end and its successor begin.
func (s *siege) doubled(id string, list []resident) {
	there := 0
	for _, r := range list {
		if now, err := readStat(r.pid); err == nil && now.instance == r.instance && !now.ended() {
			there++
		}
	}
	if there > 1 {
		s.double[id] = fmt.Sprint(list)
	}
}

// strike kills once, if the victim is there.
func (s *siege) strike(k stroke) {
	if k.victim != oneService {
		r, ok := s.people.find(k.victim)
		s.count(k.victim, ok && kill(r.instance))
		return
	}
	id := serviceName(k.service)
	ok := false
	for _, r := range s.now[id] {
		if !s.dead[r.instance] && kill(r.instance) {
			ok = true
			s.dead[r.instance] = true
			s.deaths[id]++
		}
	}
	s.count(k.victim, ok)
}

func (s *siege) count(victim string, done bool) {
	if done {
		s.killed[victim]++
	} else {
		s.missed[victim]++
	}
}

// judge waits until the node is whole and says what is not as it should be.
func (s *siege) judge(ctx context.Context, patience time.Duration) ([]string, error) {
	began := time.Now()
	var status state.Status
	var open []string
	for {
		var err error
		if err = s.look(); err != nil {
			return nil, err
		}
		if status, err = s.n.status(ctx); err == nil {
			if open = s.compare(status); len(open) == 0 {
				break
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Since(began) > patience {
			if err != nil {
				return nil, err
			}
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	s.settled = time.Since(began)
	wrong := append(open, s.history(status)...)
	if len(wrong) > 0 {
		if id, _, _ := strings.Cut(wrong[0], " "); s.seen[id] != nil {
			text, err := s.n.run(ctx, "trace", id)
			if err != nil {
				text = fmt.Append(text, err)
			}
			wrong = slices.Insert(wrong, 1, fmt.Sprintf("launcher trace %s: %s", id, text), "procd's log: "+s.n.about(id))
		}
	}
	orphans, err := s.orphans(ctx, status)
	return append(wrong, orphans...), err
}

// compare holds what the state says against what is wanted and what runs.
func (s *siege) compare(status state.Status) []string {
	var wrong []string
	known := map[string]state.StatusService{}
	for _, v := range status.Services {
		known[string(v.ID)] = v
	}
	for i := range s.services {
		id := serviceName(i)
		v, ok := known[id]
		runs := s.now[id]
		switch {
		case !ok:
			wrong = append(wrong, id+" is not in the state")
		case v.Desired != "enabled" || v.State != state.ServiceRunning || v.Health != state.HealthHealthy:
			wrong = append(wrong, fmt.Sprintf("%s is wanted %s and is %s, %s: %s", id, v.Desired, v.State, v.Health, v.Reason))
		case len(runs) != 1 || runs[0].pid != v.PID:
			wrong = append(wrong, fmt.Sprintf("%s runs as %v, and the state says pid %d", id, runs, v.PID))
		}
	}
	for _, d := range []string{"procd", "busd", "caddyd", "pipelined"} {
		if _, ok := s.people.find(d); !ok {
			wrong = append(wrong, d+" does not run")
		}
	}
	return wrong
}

// history says which services were started otherwise than once and after each of
// their deaths.
func (s *siege) history(status state.Status) []string {
	var wrong []string
	for _, v := range status.Services {
		id := string(v.ID)
		if s.seen[id] == nil {
			continue // of the workspace, and not enabled
		}
		deaths, seen := s.deaths[id], len(s.seen[id])
		s.restarts, s.instances, s.most = s.restarts+v.Restarts, s.instances+seen, max(s.most, v.Restarts)
		if v.Restarts != deaths {
			wrong = append(wrong, fmt.Sprintf("%s was killed %d times and counts %d restarts", id, deaths, v.Restarts))
		}
		if seen != deaths+1 {
			wrong = append(wrong, fmt.Sprintf("%s was killed %d times and had %d processes", id, deaths, seen))
		}
	}
	for id, as := range s.double {
		wrong = append(wrong, fmt.Sprintf("%s ran twice at once: %s", id, as))
	}
	slices.Sort(wrong)
	return wrong
}

// orphans lists the processes of the node that neither the state nor the launcher
// knows: those that stay so, as what is being started looks like one.
func (s *siege) orphans(ctx context.Context, status state.Status) ([]string, error) {
	named := map[int]bool{}
	for _, v := range status.Services {
		named[v.PID] = true
	}
	daemons := map[string]int{"procd": 1, "busd": 1, "caddyd": 1, "pipelined": 1}
	var strange map[instance]resident
	for round := range 3 {
		if round > 0 {
			if err := pause(ctx, 300*time.Millisecond); err != nil {
				return nil, err
			}
		}
		all, err := s.people.take()
		if err != nil {
			return nil, err
		}
		now, count := map[instance]resident{}, map[string]int{}
		for _, r := range all {
			if r.service == "" && daemons[r.name] > 0 {
				if count[r.name]++; count[r.name] <= daemons[r.name] {
					continue
				}
			} else if named[r.pid] {
				continue
			}
			if _, before := strange[r.instance]; round == 0 || before {
				now[r.instance] = r
			}
		}
		strange = now
	}
	var wrong []string
	for _, r := range strange {
		wrong = append(wrong, fmt.Sprintf("nobody knows %s", r))
	}
	slices.Sort(wrong)
	return wrong, nil
}

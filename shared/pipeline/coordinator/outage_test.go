package coordinator_test

import (
	"strings"
	"testing"
	"time"

	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

func now() time.Time { return time.Now().UTC() }

// With the bus away a step goes on; its outcome is told when the bus is back,
// whether or not the bus remembers anything.
func TestBusAway(t *testing.T) {
	for _, store := range []string{server.File, server.Memory} {
		t.Run(store, func(t *testing.T) {
			s := newSite(t, store)
			s.pipelined()
			request := s.ask("r1", events.RunPipeline{Pipeline: "await"})
			s.until("r1", running("await"))
			pid := s.pid("r1")
			if pid == 0 {
				t.Fatal("no pid")
			}
			s.down()
			s.write("r1") // the step ends now
			s.up()
			if got := s.outcome(request); got != "run completed" {
				t.Errorf("outcome %q", got)
			}
			if got, want := show(s.until("r1", state.Run.Ended)), "await completed await=completed"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got, want := strings.Join(s.journal("r1"), " "), "run.started await.began await.ended"; !strings.HasPrefix(got, want) {
				t.Errorf("journal\n got %s\nwant %s", got, want)
			}
		})
	}
}

// A run that is going on is given to a bus that lost its memory at once, so that
// it can be resumed from there.
func TestLostJournalIsRestored(t *testing.T) {
	s := newSite(t, server.Memory)
	first := s.spawn()
	request := s.ask("r1", events.RunPipeline{Pipeline: "hold"})
	s.until("r1", running("hold"))
	s.pid("r1")
	s.down()
	s.up()
	s.awaitJournal("r1", 4)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	s.spawn()
	if got := s.outcome(request); got != "run completed" {
		t.Errorf("outcome %q", got)
	}
	if got := s.read("r1.first.count"); got != "1\n" {
		t.Errorf("first had attempts %q", got)
	}
}

// A second coordinator on the node takes the runs over; the first one notices.
func TestTwoCoordinators(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined()
	request := s.ask("r1", events.RunPipeline{Pipeline: "await"})
	s.until("r1", running("await"))
	s.spawn()
	s.awaitJournal("r1", 3)
	s.write("r1")
	if got := s.outcome(request); got != "run completed" {
		t.Errorf("outcome %q", got)
	}
	got := strings.Join(s.journal("r1"), " ")
	if want := "run.started await.began await.began await.ended"; !strings.HasPrefix(got, want) || strings.Count(got, "await.ended") != 1 {
		t.Errorf("journal\n got %s\nwant %s", got, want)
	}
}

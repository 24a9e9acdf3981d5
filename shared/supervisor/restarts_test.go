package supervisor_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/supervisor"
)

// Restarts are those that nobody asked for: after an end of its own, a failed start,
// and (see TestReadinessAndLiveness) for its health. Other runs, and what operators do,
// are none.
func TestRestartsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // at midnight
		r := newScripted()
		r.life["job"], r.life["once"] = time.Second, time.Second
		var log bytes.Buffer
		n := begin(t, r, func(o *supervisor.Options) {
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		specs := append(services(t, "alpha:"),
			job(t, "job", `"type":"cron","schedule":"* * * * *","restartPolicy":{"initialBackoff":"1s"}`), job(t, "once", `"type":"oneshot"`))
		if err := n.Register(t.Context(), specs); err != nil {
			t.Fatal(err)
		}
		wait := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		count := func(id events.Entity, want int, after string) {
			t.Helper()
			if v, _ := n.Service(id); v.Restarts != want {
				t.Errorf("%s has %d restarts after %s, want %d", id, v.Restarts, after, want)
			}
		}
		request := events.ID("c")
		ask := func(f func(events.Entity, events.ID) error, id events.Entity) {
			t.Helper()
			request += "1"
			if err := f(id, request); err != nil {
				t.Fatal(err)
			}
			wait(5 * time.Second)
		}
		desire := func(running bool) func(events.Entity, events.ID) error {
			return func(id events.Entity, cause events.ID) error { return n.Desire(id, running, cause) }
		}
		wait(5 * time.Minute)
		count("job", 0, "five runs")
		ask(n.Restart, "job")
		count("job", 0, "a run that was asked for")
		ask(n.Restart, "once")
		count("once", 0, "another run that was asked for")
		ask(n.Restart, "alpha")
		ask(desire(false), "alpha")
		ask(desire(true), "alpha")
		count("alpha", 0, "a restart, a stop and a start that were asked for")
		if text := log.String(); strings.Contains(text, "WARN") || !strings.Contains(text, `level=INFO msg="service has done its work" service=job`) {
			t.Errorf("logged of runs that went well:\n%s", text)
		}

		crash := func() {
			r.mu.Lock()
			f := r.live["alpha"]
			r.mu.Unlock()
			f.end(process.Exit{Code: 3})
			wait(5 * time.Second)
		}
		crash()
		count("alpha", 1, "a crash")
		if text := log.String(); !strings.Contains(text, `level=WARN msg="service ended" service=alpha`) {
			t.Errorf("logged of a crash:\n%s", text)
		}
		ask(n.Restart, "alpha")
		count("alpha", 1, "a crash, and a restart that was asked for")
		crash()
		count("alpha", 2, "two crashes")

		r.set(func() { r.exit["job"] = process.Exit{Code: 3} })
		wait(time.Minute)
		r.set(func() { delete(r.exit, "job") })
		failed, _ := n.Service("job")
		if failed.Restarts == 0 {
			t.Error("that a run was tried again is not counted")
		}
		wait(10 * time.Minute)
		if v, _ := n.Service("job"); v.Restarts > failed.Restarts+6 {
			t.Errorf("%d restarts after ten runs that went well", v.Restarts-failed.Restarts)
		}
		if told := n.told("once"); told[5] != "exited: 0, expected" {
			t.Errorf("a oneshot that went well: %s", told)
		}
	})
}

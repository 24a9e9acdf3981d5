package controller_test

import (
	"fmt"
	"strings"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// What is asked of a spec is asked of all its replicas, each a process of its
// own.
func TestReplicas(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"web": "", "user": `,"dependencies":["web"]`})
	r.edit("web", `"process":{`, `"process":{"replicas":3,`)
	r.inProcess()
	ids := []events.Entity{"web-0", "web-1", "web-2"}
	before := r.serving(append(ids, "user")...)
	pids := map[int]bool{}
	for _, id := range ids {
		pids[before.Services[id].PID] = true
		if of := before.Services[id].Registered.ReplicaOf; of != "web" {
			t.Errorf("%s is a replica of %q", id, of)
		}
	}
	if len(pids) != 3 {
		t.Errorf("%d processes", len(pids))
	}
	want(t, r.ask("web", events.RestartService{}), state.OutcomeCompleted, "")
	after := r.view.State()
	for _, id := range ids {
		if v := after.Services[id]; pids[v.PID] || !v.Serving() || v.Restarts != 0 {
			t.Errorf("%s was restarted to %s with pid %d", id, v.State, v.PID)
		}
	}
	want(t, r.ask("web-1", events.StopService{}), state.OutcomeCompleted, "")
	want(t, r.ask("web", events.DisableService{}), state.OutcomeCompleted, "")
	for _, id := range ids {
		if v := r.view.State().Services[id]; v.Alive() || v.Want() != "disabled" {
			t.Errorf("%s is %s and %s", id, v.State, v.Want())
		}
	}
	want(t, r.ask("wbe", events.StartService{}), state.OutcomeRejected, `unknown service "wbe": did you mean "web"?`)
	want(t, r.ask("web-11", events.StartService{}), state.OutcomeRejected, `unknown service "web-11": did you mean "web-1"?`)
}

// A job that failed says so to who asked for its run, and a oneshot is waited
// for until it is done.
func TestRunsToTheirEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for id, text := range map[string]string{
		"job":  `{"id":"job","process":{"command":"/bin/sh","args":["-c","exit $CODE"],"env":{"CODE":"0"},"type":"cron","schedule":"@yearly","restartPolicy":"never"},"profiles":["default"]}`,
		"bad":  `{"id":"bad","process":{"command":"/bin/sh","args":["-c","exit 3"],"type":"cron","schedule":"@yearly","restartPolicy":"never"},"profiles":["default"]}`,
		"once": `{"id":"once","process":{"command":"/bin/true","type":"oneshot"},"profiles":["other"]}`,
		"next": `{"id":"next","process":{"command":"/bin/true","type":"oneshot"},"dependencies":[{"service":"once","condition":"completed"}],"profiles":["other"]}`,
	} {
		r.write(id, text)
	}
	r.inProcess()
	s := r.until("scheduled", func(s state.State) bool {
		return s.Services["job"].State == state.ServiceScheduled && s.Services["bad"].State == state.ServiceScheduled
	})
	if v := s.Services["job"]; v.Until.IsZero() || v.LastExit != nil {
		t.Errorf("%+v", v)
	}
	want(t, r.ask("job", events.StartService{}), state.OutcomeCompleted, "")
	if v := r.view.State().Services["job"]; v.State != state.ServiceScheduled || v.LastExit == nil {
		t.Errorf("after its run the job is %s", v.State)
	}
	o := r.ask("bad", events.StartService{})
	want(t, o, state.OutcomeFailed, "service bad: exit status 3; its restart policy is never")
	if v := r.view.State().Services["bad"]; v.State != state.ServiceScheduled || !strings.Contains(v.Reason, "exit status 3") {
		t.Errorf("after a run that failed: %s, %s", v.State, v.Reason)
	}
	want(t, r.ask("next", events.StartService{}), state.OutcomeFailed, "service next: waiting for once: not enabled")
	want(t, r.ask("once", events.StartService{}), state.OutcomeCompleted, "")
	r.until("next completed", func(s state.State) bool { return s.Services["next"].State == state.ServiceCompleted })
	if v := r.view.State().Services["once"]; v.State != state.ServiceCompleted {
		t.Errorf("once is %s", fmt.Sprint(v.State))
	}
}

package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/ui"
)

// use makes procd say what alpha's instance i1 uses.
func (n *node) use() {
	n.t.Helper()
	u := events.Usage{Time: time.Now().UTC(), Services: map[events.Entity]events.ServiceUsage{
		"alpha": {Instance: "i1", Processes: 2, CPUSeconds: 3, CPUPercent: 12.54, ResidentBytes: 43_200_000, OpenFDs: 9, HealthMS: 1.5},
	}}
	if err := n.lines.PublishUsage(testbus.Node, events.Procd, u); err != nil {
		n.t.Fatal(err)
	}
	if err := n.lines.NC.Flush(); err != nil {
		n.t.Fatal(err)
	}
}

func TestStatusWide(t *testing.T) {
	n := startNode(t)
	n.expect(0, "status --wide", "SERVICE  STATE", "gamma    waiting", "!12.5%")
	n.expect(0, "restart alpha", "alpha  restart completed")
	n.use()
	n.expect(0, "status --wide", "CHECK", "alpha    running  healthy  1.5ms  4711  12.5%  41.2MB    9")
	n.expect(0, "status", "!12.5%")
	var document state.Status
	_, stdout, _ := n.run("status", "--wide", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &document); err != nil {
		t.Fatal(err)
	}
	if u := document.Services[0].Usage; u == nil || u.ResidentBytes != 43_200_000 || u.OpenFDs != 9 {
		t.Errorf("usage of alpha: %+v", u)
	}
	if u := document.Services[1].Usage; u != nil {
		t.Errorf("usage of beta, which does not run: %+v", u)
	}
	n.expect(0, "status --output json", "!usage")
}

func TestWhy(t *testing.T) {
	n := startNode(t)
	n.expect(0, "why gamma", "gamma is waiting since ", "it is wanted and held back", "facts behind it", "service.waiting     waiting for beta",
		"!launcher logs gamma") // it never ran: there is nothing to see
	n.expect(0, "restart alpha", "alpha  restart completed")
	n.procd.State("alpha", events.ServiceExited{Instance: "i1", PID: 4711, Code: 3, LastLines: []string{"panic: \x1b[31mno greeting"}}, "")
	n.procd.State("alpha", events.ServiceExhausted{Reason: "exit status 3"}, "")
	n.flush()
	n.expect(0, "why alpha", "alpha failed 0s ago", "is given up since", "│ panic: ", "service.exited      exit status 3",
		"launcher restart alpha  replace", "!\x1b")
	_, stdout, _ := n.run("why", "alpha", "--output", "json")
	var w ui.Why
	if err := json.Unmarshal([]byte(stdout), &w); err != nil || w.Service != "alpha" || len(w.Reasons) == 0 || len(w.Facts) == 0 || len(w.Fixes) == 0 {
		t.Errorf("%v in %s", err, stdout)
	}
	n.expect(1, "why alhpa", `error: unknown service "alhpa": did you mean "alpha"?`)
}

func TestTrace(t *testing.T) {
	n := startNode(t)
	n.expect(0, "trace beta", "no instance of beta in the event history")
	n.expect(0, "restart alpha", "alpha  restart completed")
	n.procd.State("alpha", events.ServiceExited{Instance: "i1", PID: 4711, Code: 3}, "")
	n.procd.State("alpha", events.ServiceStarting{Instance: "i2", Restarts: 1}, "")
	n.procd.State("alpha", events.ServiceStarted{Instance: "i2", PID: 4712, Restarts: 1}, "")
	n.procd.State("alpha", events.ServiceHealthy{Instance: "i2"}, "")
	n.procd.State("alpha", events.ServiceStarted{Instance: "i2", PID: 4712, Restarts: 1, Adopted: true}, "")
	n.flush()
	n.expect(0, "trace alpha", "STARTED", " 4711  first start", "exit status 3", " 4712  restart policy: exit status 3", "runs, healthy; adopted ",
		"alpha: 2 instances, 1 ended unasked, 0 asked to, adopted 1×")
	_, stdout, _ := n.run("trace", "alpha", "--output", "jsonl")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `"instance":"i2"`) || !strings.HasPrefix(lines[2], `{"service":"alpha","totals":{"instances":2,"crashes":1,`) {
		t.Errorf("lines %q", lines)
	}
	n.expect(0, "trace alpha --since 2100-01-01T00:00:00Z", "4712", "!4711")
	n.expect(1, "trace nobody", `unknown service "nobody"`)
}

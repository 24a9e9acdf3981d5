package controller_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/process/ports"
	"core.internal/shared/process/runner"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// A service whose port is held says who holds it; what an earlier instance left
// behind, of which no record is, can be ended and nothing else.
func TestPortHeldByAnOrphan(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": ""})
	port, err := ports.Free("tcp")
	if err != nil {
		t.Fatal(err)
	}
	r.edit("alpha", `"port":0`, fmt.Sprintf(`"port":%d`, port))
	layout := config.Node{Name: testbus.Node, Root: r.root}.Layout()
	cmd := testproc.Command(t, "service")
	cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN=127.0.0.1:", port),
		"CORE_SERVICE=alpha", "CORE_INSTANCE=left-over", "CORE_DATA_DIR="+layout.Data("alpha"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	r.listens(port)

	r.inProcess()
	s := r.until("alpha failed", func(s state.State) bool { return s.Services["alpha"].State == state.ServiceFailed })
	want := fmt.Sprintf("port %d/tcp is held by pid %d (", port, cmd.Process.Pid)
	if reason := s.Services["alpha"].Reason; !strings.Contains(reason, want) ||
		!strings.Contains(reason, fmt.Sprintf("left over from service alpha of this node: `launcher ports reclaim %d` ends it", port)) {
		t.Errorf("%s, want %s", reason, want)
	}
	o, ok := runner.OwnerOf(layout, cmd.Process.Pid)
	if !ok || o.Supervised || o.Service != "alpha" {
		t.Fatalf("%+v %t", o, ok)
	}
	if err := o.End(t.Context(), layout, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	<-ended
	if o := r.ask("alpha", events.RestartService{}); o.State != state.OutcomeCompleted {
		t.Errorf("%+v", o)
	}
	v := r.serving("alpha").Services["alpha"]
	if len(v.Ports) != 1 || v.Ports[0].Port != port || v.Ports[0].Source != "fixed" {
		t.Errorf("%+v", v.Ports)
	}
	// One that is supervised is left alone, as is what has ended.
	if now, ok := runner.OwnerOf(layout, v.PID); !ok || !now.Supervised || now.End(t.Context(), layout, time.Second) == nil {
		t.Errorf("alpha itself: %+v %t", now, ok)
	}
	if o.End(t.Context(), layout, time.Second) == nil {
		t.Error("it was ended twice")
	}
	r.serving("alpha")
}

// listens waits until somebody listens on a port.
func (r *rig) listens(port int) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

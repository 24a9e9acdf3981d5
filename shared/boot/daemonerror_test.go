package boot

import (
	"os"
	"path/filepath"
	"testing"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// The error says whether the daemon ever ran, and names its log only where there is one.
func TestDaemonError(t *testing.T) {
	c := config.Default()
	c.Root = t.TempDir()
	n := &Node{Options: Options{Config: c}, layout: c.Layout(), sup: supervisor.New(supervisor.Options{Node: c.Name, Source: events.Launcher})}
	never := state.Service{State: state.ServiceFailed, LastExit: &events.ServiceExited{Code: -1, Reason: "start busd: /x/busd: it does not exist: install it"}}
	once := state.Service{State: state.ServiceFailed, LastExit: &events.ServiceExited{PID: 7, Code: 3}}
	often := state.Service{Restarts: 3, LastExit: &events.ServiceExited{PID: 7, Signal: "SIGKILL"}}
	check := func(s state.Service, want string) {
		t.Helper()
		if got := n.daemonError(events.Busd, s).(*StageError); got.Err.Error()+"\n"+got.Fix != want {
			t.Errorf("got\n%s\n%s\nwant\n%s", got.Err, got.Fix, want)
		}
	}
	check(never, "busd cannot be started: start busd: /x/busd: it does not exist: install it\n")
	check(once, "busd ended before it was ready: exit status 3\n")
	log := n.layout.Log("busd")
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, []byte("no room\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(often, "busd ended 3 times before it was ready: ended by SIGKILL\nsee all of "+log)
}

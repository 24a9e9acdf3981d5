package boot_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"core.internal/shared/boot"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testnode"
)

// The stages come up in order and go down in reverse. People and the log are
// told the same, and the log under one boot.
func TestUpAndDown(t *testing.T) {
	t.Parallel()
	var w watched
	n := harness.Start(t, harness.Options{
		Daemons: testnode.Daemons(testnode.Procd{Services: []testnode.Service{testnode.Required(testnode.Healthy("alpha"))}}),
		Edge:    true, Boot: w.options, Config: onDisk,
	})
	summary := n.Summary()
	if summary.Node != "test" || summary.BusURL == "" || summary.EdgeURL == "" || summary.ConsoleURL != "" || summary.Took <= 0 {
		t.Errorf("summary %+v", summary)
	}
	var names []string
	for _, s := range summary.Stages {
		names = append(names, s.Stage)
	}
	if want := []string{"config", "bus", "edge", "controller", "pipelines", "services", "shells"}; !slices.Equal(names, want) || !slices.Equal(boot.Stages(), want) {
		t.Errorf("stages %v, want %v", names, want)
	}
	f, err := config.ReadNodeFile(n.Layout)
	if err != nil || f.BusURL != summary.BusURL || f.EdgeURL != summary.EdgeURL || f.PID != os.Getpid() {
		t.Errorf("node file %+v, %v", f, err)
	}
	if pid, err := boot.Holder(n.Layout); pid != os.Getpid() || err != nil {
		t.Errorf("held by %d, %v", pid, err)
	}
	stop(t, n)

	if got := w.stages(); !slices.Equal(got, whole()) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(whole(), "\n"))
	}
	causes := map[events.ID]bool{}
	var logged []string
	for _, e := range testnode.Stored(t, n.Config) {
		if what, ok := strings.CutPrefix(string(e.Type), "stage."); ok && e.Source == events.Launcher {
			at := strconv.Itoa(slices.Index(names, string(e.Entity))+1) + "/" + strconv.Itoa(len(names))
			logged = append(logged, at+" "+string(e.Entity)+" "+what)
			causes[e.Cause] = true
		}
	}
	// Once the bus is gone nobody can be told.
	if want := slices.DeleteFunc(whole(), func(l string) bool {
		return strings.HasSuffix(l, "bus stopped") || strings.Contains(l, "config stop")
	}); !slices.Equal(logged, want) {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(logged, "\n"), strings.Join(want, "\n"))
	}
	if len(causes) != 1 || causes[""] {
		t.Errorf("the causes of one boot's facts: %v", causes)
	}

	if left := leftovers(t, n.Layout); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if pid, err := boot.Holder(n.Layout); pid != 0 || err != nil {
		t.Errorf("held by %d, %v", pid, err)
	}
	for _, u := range []string{summary.BusURL, summary.EdgeURL} {
		_, address, _ := strings.Cut(u, "//")
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Errorf("%s still answers", u)
		}
	}
}

// The same with the daemons as processes of their own: they start beside each
// other and end in reverse, the bus last.
func TestChildren(t *testing.T) {
	t.Parallel()
	var w watched
	n := harness.Start(t, harness.Options{Boot: func(o *boot.Options) { w.options(o); inChildren(t, nil)(o) }, Config: onDisk})
	running := harness.Processes(n.Layout.Root)
	if len(running) != len(events.Daemons()) {
		t.Errorf("running: %q", running)
	}
	stop(t, n)
	if got := w.stages(); !slices.Equal(got, whole()) {
		t.Errorf("told\n%s", strings.Join(got, "\n"))
	}
	var stopped []events.Source
	for _, e := range testnode.Stored(t, n.Config) {
		if e.Type == (events.DaemonStopped{}).EventType() {
			stopped = append(stopped, e.Source)
		}
	}
	if want := []events.Source{events.Pipelined, events.Procd, events.Caddyd, events.Busd}; !slices.Equal(stopped, want) {
		t.Errorf("stopped in the order %v, want %v", stopped, want)
	}
	if left := append(harness.Processes(n.Layout.Root), leftovers(t, n.Layout)...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A node whose console is healthy is up when the console answers, and says how
// to log in.
func TestConsole(t *testing.T) {
	t.Parallel()
	console := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" || r.Host != "console.localhost" {
			http.Error(w, "not today", http.StatusTeapot)
		}
	}))
	t.Cleanup(console.Close)
	port := console.Listener.Addr().(*net.TCPAddr).Port
	n := harness.Start(t, harness.Options{
		Daemons: testnode.Daemons(testnode.Procd{Services: []testnode.Service{
			testnode.Healthy("console", events.Port{Name: "primary", Port: port, Protocol: "http"}),
		}}),
	})
	token, err := os.ReadFile(n.Layout.ConsoleToken())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := n.Summary().ConsoleURL, console.URL+"/login?token="+string(token); got != want {
		t.Errorf("console at %s, want %s", got, want)
	}
	if f, err := config.ReadNodeFile(n.Layout); err != nil || f.ConsoleURL != console.URL {
		t.Errorf("node file %+v, %v: want the console without its token", f, err)
	}
	stop(t, n)
}

// The stage of a daemon that is left out is ready at once.
func TestOmitted(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Daemons: testnode.Daemons(testnode.Procd{})})
	if s := n.State(); s.Stages["edge"].State != state.StageReady || n.Summary().EdgeURL != "" {
		t.Errorf("edge %+v at %q", s.Stages["edge"], n.Summary().EdgeURL)
	}
	if _, ok := n.State().Daemons[events.Entity(events.Caddyd)]; ok {
		t.Error("a daemon that is left out is known")
	}
}

package boot_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/boot"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testnode"
	"core.internal/shared/testutil/testproc"
)

// fails brings up a node that is not to come up and returns why, and what was told.
func fails(t *testing.T, o harness.Options) (*boot.StageError, *watched, *harness.Node) {
	t.Helper()
	var w watched
	change := o.Boot
	o.Fails = true
	o.Boot = func(b *boot.Options) {
		w.options(b)
		if change != nil {
			change(b)
		}
	}
	n := harness.Start(t, o)
	err := n.Err()
	var failure *boot.StageError
	if !errors.As(err, &failure) {
		t.Fatalf("ended with %v", err)
	}
	if left := append(harness.Processes(n.Layout.Root), leftovers(t, n.Layout)...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return failure, &w, n
}

// until are the events of a boot whose stage at an index, from 1, fails.
func until(failed int, err error) []string {
	var want []string
	for _, l := range whole() {
		at, _, _ := strings.Cut(l, "/")
		var i int
		fmt.Sscan(at, &i)
		switch {
		case i == failed && strings.HasSuffix(l, " ready"):
			want = append(want, strings.TrimSuffix(l, "ready")+fmt.Sprintf("failed: %q", err))
		case i <= failed:
			want = append(want, l)
		}
	}
	return want
}

// A daemon that ends again and again fails its stage with what it said last, and
// what had begun is taken down in reverse.
func TestDaemonEnds(t *testing.T) {
	t.Parallel()
	for i, d := range []events.Source{events.Busd, events.Caddyd, events.Procd, events.Pipelined} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			failure, w, n := fails(t, harness.Options{Boot: inChildren(t, map[string]string{string(d): "broken"})})
			want := fmt.Sprintf(`^stage %s: %s ended \d+ times before it was ready: exit status 3
last log lines:(
  (about to fail|no room))+
fix: see all of %s$`, boot.Stages()[i+1], d, regexp.QuoteMeta(n.Layout.Log(string(d))))
			if !regexp.MustCompile(want).MatchString(failure.Error()) || failure.LastLines[len(failure.LastLines)-1] != "no room" {
				t.Errorf("got\n%s\nwant\n%s", failure, want)
			}
			if got, want := w.stages(), until(i+2, failure); !slices.Equal(got, want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Where a stage fails, the daemons of later stages run already; they end before
// the bus, with their last words.
func TestDaemonsEndBeforeTheBus(t *testing.T) {
	t.Parallel()
	_, _, n := fails(t, harness.Options{
		Boot:   inChildren(t, map[string]string{"caddyd": "broken"}),
		Config: onDisk,
	})
	var last []events.Source
	for _, e := range testnode.Stored(t, n.Config) {
		if e.Type == (events.ServiceStopped{}).EventType() && e.Source == events.Launcher {
			last = append(last, events.Source(e.Entity))
		}
	}
	if want := []events.Source{events.Caddyd, events.Pipelined, events.Procd}; !slices.Equal(last, want) {
		t.Errorf("stopped %v, want %v and then the bus", last, want)
	}
}

// A daemon that runs and is never ready fails its stage with the time that it
// had and what it said.
func TestNeverReady(t *testing.T) {
	t.Parallel()
	failure, w, _ := fails(t, harness.Options{
		Boot:   inChildren(t, map[string]string{"busd": "mute"}),
		Config: func(c *config.Node) { c.StageTimeout, c.StopTimeout = 2*time.Second, 200*time.Millisecond },
	})
	if failure.Stage != "bus" || !strings.Contains(failure.Error(), "not ready within 2s (stage.timeout)") ||
		!slices.Equal(failure.LastLines, []string{"warming up", "still warming up"}) {
		t.Errorf("got %s", failure)
	}
	if got, want := w.stages(), until(2, failure); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A port that somebody else has is named with its holder before anything starts.
func TestPortHeld(t *testing.T) {
	t.Parallel()
	holder := testproc.Command(t, "holder")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	for setting, set := range map[string]func(*config.Node){
		"bus.listen":  func(c *config.Node) { c.BusListen = address },
		"edge.listen": func(c *config.Node) { c.EdgeListen = address },
	} {
		failure, w, _ := fails(t, harness.Options{Daemons: testnode.Daemons(testnode.Procd{}), Edge: true, Config: set})
		pid := holder.Process.Pid
		want := fmt.Sprintf("stage config: %s %s: the port is held by pid %d (%s)\nfix: stop pid %d, or choose another port with --%s",
			setting, address, pid, testproc.Self(t), pid, setting)
		if failure.Error() != want {
			t.Errorf("got\n%s\nwant\n%s", failure, want)
		}
		if got, want := w.stages(), until(1, failure); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// What operators decided is not passed over: a node does not come up without it.
func TestDecisionsDamaged(t *testing.T) {
	t.Parallel()
	file := ""
	failure, w, _ := fails(t, harness.Options{Daemons: testnode.Daemons(testnode.Procd{}), Config: func(c *config.Node) {
		file = c.Layout().Decisions()
		if err := errors.Join(os.Mkdir(c.Layout().Dir, 0o700), os.WriteFile(file, []byte("{\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}})
	want := "stage config: what operators decided: " + file +
		" is not understood: unexpected end of JSON input\nfix: correct it, or remove it: then what the bus has kept of them counts, else the profiles"
	if failure.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", failure, want)
	}
	if got, want := w.stages(), until(1, failure); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A second launcher on one root names the first, which does not notice.
func TestSecondUp(t *testing.T) {
	t.Parallel()
	first := harness.Start(t, harness.Options{Daemons: testnode.Daemons(testnode.Procd{})})
	before, err := config.ReadNodeFile(first.Layout)
	if err != nil {
		t.Fatal(err)
	}
	second := harness.Start(t, harness.Options{
		Daemons: testnode.Daemons(testnode.Procd{}), Fails: true, Config: func(c *config.Node) { c.Root = first.Config.Root },
	})
	var failure *boot.StageError
	var locked *boot.LockedError
	if err := second.Err(); !errors.As(err, &failure) || failure.Stage != "config" || !errors.As(err, &locked) {
		t.Fatalf("ended with %v", err)
	}
	if locked.PID != os.Getpid() || locked.Dir != first.Layout.Dir {
		t.Errorf("got %+v, want pid %d and %s", locked, os.Getpid(), first.Layout.Dir)
	}
	if after, err := config.ReadNodeFile(first.Layout); err != nil || after != before {
		t.Errorf("node file %+v, %v; was %+v", after, err, before)
	}
	if o := first.Request(events.Launcher, events.NodeEntity, events.StopService{}); o.State != state.OutcomeRejected {
		t.Errorf("the first node answers %+v", o)
	}
}

// A service without which there is no node fails its stage; without another the
// node is up, and says so. What waits for a failed one is not waited for.
func TestServices(t *testing.T) {
	t.Parallel()
	alpha := testnode.Failing("alpha", "ended 7 times", "about to fail", "no room")
	failure, w, _ := fails(t, harness.Options{
		Daemons: testnode.Daemons(testnode.Procd{Services: []testnode.Service{testnode.Required(alpha), testnode.Healthy("beta")}}),
	})
	want := "stage services: service alpha is failed: ended 7 times\nlast log lines:\n  about to fail\n  no room\nfix: correct that and start the node again"
	if failure.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", failure, want)
	}
	if got, want := w.stages(), until(6, failure); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	var told watched
	n := harness.Start(t, harness.Options{Boot: told.options, Daemons: testnode.Daemons(testnode.Procd{
		Services: []testnode.Service{alpha, testnode.Waiting("beta", "alpha"), testnode.Required(testnode.Healthy("gamma"))},
	})})
	for _, want := range []string{
		"6/7 services progress: service alpha is failed: ended 7 times\n",
		"6/7 services progress: service beta is waiting: waits for alpha\n",
	} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("told\n%s\nwithout %s", &told, want)
		}
	}
	stop(t, n)
}

// launched is a launcher in a process of its own whose node is up, with the addresses
// of its bus and its edge.
func launched(t *testing.T, root string) (first *exec.Cmd, busURL, edgeURL string) {
	t.Helper()
	first = testproc.Command(t, "launcher", root)
	var out testproc.Buffer
	first.Stdout, first.Stderr = &out, &out
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	all := out.Until(t, "up, or why not", func(all string) bool { return strings.HasSuffix(all, "\n") })
	f := strings.Fields(all)
	if len(f) != 3 || f[0] != "up" {
		t.Fatalf("the first launcher said %s", all)
	}
	return first, f[1], f[2]
}

// A daemon that outlived its launcher is adopted by the next one, where it is and
// with what it has.
func TestAdopt(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first, busURL, edgeURL := launched(t, root)
	before := harness.Processes(root)
	first.Process.Signal(syscall.SIGKILL)
	first.Wait()

	var w watched
	n := harness.Start(t, harness.Options{
		Boot:   func(o *boot.Options) { w.options(o); inChildren(t, nil)(o) },
		Config: func(c *config.Node) { c.Root = root },
	})
	if s := n.Summary(); s.BusURL != busURL || s.EdgeURL != edgeURL {
		t.Errorf("bus at %s and edge at %s, were %s and %s", s.BusURL, s.EdgeURL, busURL, edgeURL)
	}
	if after := harness.Processes(root); !slices.Equal(after, before) {
		t.Errorf("daemons %q, were %q", after, before)
	}
	adopted := map[events.Entity]bool{}
	for _, e := range n.Facts() {
		if body, err := events.Payload(e); err == nil {
			if s, ok := body.(events.ServiceStarted); ok && s.Adopted {
				adopted[e.Entity] = true
			}
		}
	}
	if len(adopted) != len(events.Daemons()) {
		t.Errorf("adopted %v", adopted)
	}
	stop(t, n)
	if left := append(harness.Processes(root), leftovers(t, n.Layout)...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What a launcher left that was killed is ended in order, and nothing is left of it.
func TestEnd(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first, _, _ := launched(t, root)
	c := config.Default()
	c.Name, c.Root = "test", root
	var w watched
	end := func() (bool, error) {
		o := boot.Options{Config: c, InProcess: events.Daemons(), Wrap: children(testproc.Self(t), nil)}
		w.options(&o)
		return boot.New(o).End(t.Context())
	}
	if _, err := end(); !errors.As(err, new(*boot.LockedError)) {
		t.Errorf("with its launcher: %v", err)
	}
	first.Process.Signal(syscall.SIGKILL)
	first.Wait()
	if ran, err := end(); !ran || err != nil {
		t.Errorf("something ran: %t, %v", ran, err)
	}
	if got, want := w.stages(), whole()[2*len(boot.Stages()):]; !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if left := append(harness.Processes(root), leftovers(t, c.Layout())...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if ran, err := end(); ran || err != nil {
		t.Errorf("something ran: %t, %v", ran, err)
	}
}

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// redis sends Redis one command and returns its reply: its first line, or the
// text that this announces.
func redis(t *testing.T, command string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", "127.0.0.1:6379", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "%s\r\n", command)
	lines := bufio.NewScanner(c)
	lines.Scan()
	if strings.HasPrefix(lines.Text(), "$") {
		lines.Scan()
	}
	if lines.Err() != nil {
		t.Fatalf("%s: %v", command, lines.Err())
	}
	return lines.Text()
}

// Redis and its exporter run from their specs alone: not before they are
// wanted, then supervised like any service, with data that outlives processes.
func TestRedis(t *testing.T) {
	t.Parallel()
	for command, pkg := range map[string]string{"redis-server": "redis-server", "redis-cli": "redis-tools", "prometheus-redis-exporter": "prometheus-redis-exporter"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("%s is not on PATH: apt-get install %s", command, pkg)
		}
	}
	for _, address := range []string{"127.0.0.1:6379", "127.0.0.1:9121"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("the port of the spec is taken, perhaps by the system's own Redis: %v", err)
		}
		l.Close()
	}
	b := up(t)
	service := func(id events.Entity) state.StatusService {
		for _, s := range b.status().Services {
			if s.ID == id {
				return s
			}
		}
		t.Fatalf("no service %s", id)
		return state.StatusService{}
	}
	metrics := func(want string) {
		t.Helper()
		until(t, "the edge gives "+want, func() bool {
			code, body := b.get("redis-exporter.localhost", "/metrics")
			return code == http.StatusOK && strings.Contains(body, "\n"+want+"\n")
		})
	}
	if s := service("redis"); s.State != state.ServiceIdle || s.Desired != "disabled" {
		t.Errorf("without its profile: %+v", s)
	}
	if _, errs, code := b.run("enable", "redis", "redis-exporter"); code != 0 {
		t.Fatalf("enable: exit %d\n%s", code, errs)
	}
	metrics("redis_up 1")
	if got := redis(t, "SET greeting hello"); got != "+OK" {
		t.Fatalf("SET: %q", got)
	}
	if _, errs, code := b.run("restart", "redis"); code != 0 {
		t.Fatalf("restart: exit %d\n%s", code, errs)
	}
	if got := redis(t, "GET greeting"); got != "hello" {
		t.Errorf("after a restart: %q", got)
	}
	old := service("redis").PID
	if got := redis(t, "SET greeting again"); got != "+OK" {
		t.Fatalf("SET: %q", got)
	}
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "redis is replaced", func() bool {
		s := service("redis")
		return s.PID != 0 && s.PID != old && s.Health == state.HealthHealthy
	})
	if got := redis(t, "GET greeting"); got != "again" {
		t.Errorf("after kill -9: %q", got)
	}
	metrics("redis_up 1")
}

// What services of the workspace download is locked for the platforms of releases.
func TestLocked(t *testing.T) {
	t.Parallel()
	workspace, ok := dep.FindWorkspace(".")
	if !ok {
		t.Fatal("not inside the workspace")
	}
	list, err := spec.Load(spec.Dirs{Workspace: workspace})
	if err != nil {
		t.Fatal(err)
	}
	locked := 0
	for _, l := range list {
		w, ok := dep.WantOf(l)
		if !ok || !w.Source.Locked() {
			continue
		}
		for _, platform := range []string{"linux/amd64", "linux/arm64"} {
			store := dep.Store{Root: t.TempDir(), Bin: t.TempDir(), Workspace: workspace, Platform: platform}
			if st := store.Status(w); !st.Locked {
				t.Errorf("%s: %s", l.ID, st.Problem)
			}
			locked++
		}
	}
	if locked == 0 {
		t.Error("no service of the workspace downloads anything")
	}
}

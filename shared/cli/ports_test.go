package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// hold listens on a port for as long as its standard input is open.
func hold() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// holding starts a process that holds a port, with variables of its own, and
// returns its port. gone is closed when it has ended.
func holding(t *testing.T, env ...string) (port int, gone <-chan struct{}) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "CLI_TEST=hold"), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { defer close(ended); cmd.Wait() }()
	t.Cleanup(func() { in.Close(); <-ended })
	if port, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return port, ended
}

// Only what a service of this node left over is ended, and only when somebody
// agrees; what is recorded and what is a stranger's is named and left alone.
func TestPortsReclaim(t *testing.T) {
	root := t.TempDir()
	node := config.Node{Name: "local", Root: root}
	layout := node.Layout()
	if err := os.MkdirAll(layout.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	env := func(service, instance string) []string {
		return []string{"CORE_SERVICE=" + service, "CORE_INSTANCE=" + instance, "CORE_DATA_DIR=" + layout.Data(service)}
	}
	orphan, gone := holding(t, env("web", "i1")...)
	stranger, _ := holding(t)
	other, _ := holding(t, "CORE_SERVICE=web", "CORE_INSTANCE=i2", "CORE_DATA_DIR=/elsewhere/data/web")
	kept, _ := holding(t, env("kept", "i3")...)
	if err := os.WriteFile(filepath.Join(layout.Run(), "kept.proc"), []byte(`{"v":1,"id":"kept","instance":"i3"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	specs := t.TempDir()
	text := fmt.Sprintf(`{"id":"web","process":{"command":"/bin/true"},"ports":{"primary":{"port":%d}}}`, orphan)
	if err := os.WriteFile(filepath.Join(specs, "web.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) (int, string) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var out testproc.Buffer
		code := ExitCode(Exec(ctx, append([]string{"ports", "reclaim"}, append(args, "--root", root, "--specs", specs)...), nil, strings.NewReader(stdin), &out, &out, testApp()))
		return code, out.String()
	}
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		want  string
	}{
		{"", []string{strconv.Itoa(stranger), "--yes"}, 1, "which is left alone"},
		{"", []string{strconv.Itoa(other), "--yes"}, 1, "it is no process of this node"},
		{"", []string{strconv.Itoa(kept), "--yes"}, 1, "it is of service kept"},
		{"", []string{strconv.Itoa(orphan)}, 1, "nothing was ended"},
		{"n\n", []string{strconv.Itoa(orphan)}, 1, "left over from service web of this node. End it?"},
		{"", []string{"70000"}, 2, "70000 is no port"},
		{"", []string{"wbe"}, 1, `did you mean "web"?`},
	} {
		if code, out := run(c.stdin, c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: status %d, want %d and %q in\n%s", c.args, code, c.code, c.want, out)
		}
	}
	select {
	case <-gone:
		t.Fatal("it has ended although nobody agreed")
	default:
	}
	if code, out := run("y\n", "web"); code != 0 || !strings.Contains(out, fmt.Sprintf("port %d/tcp is free", orphan)) {
		t.Fatalf("status %d\n%s", code, out)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the port is said to be free, and its holder has not ended")
	}
	if code, out := run("", "web", "--yes"); code != 0 || !strings.Contains(out, "nobody holds it") {
		t.Errorf("status %d\n%s", code, out)
	}
	for _, port := range []int{stranger, other, kept} {
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			t.Errorf("it was ended: %v", err)
			continue
		}
		c.Close()
	}
}

// What the node has, what stands in its way, and what a change of specs would do.
func TestPortsAndPlan(t *testing.T) {
	n := startNode(t)
	stranger, _ := holding(t)
	register := func(id, more string) {
		s, err := spec.ParseLocated("/specs/"+id+".json", fmt.Appendf(nil, `{"id":%q,"process":{"command":"/bin/true"}%s}`, id, more))
		if err != nil {
			t.Fatal(err)
		}
		value, err := spec.EncodeRegistered(s)
		if err != nil {
			t.Fatal(err)
		}
		kv, err := n.lines.Bucket(t.Context(), events.BucketSpecs)
		if err == nil {
			_, err = kv.Put(t.Context(), events.DesiredKey(testbus.Node, events.Entity(id)), value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	register("alpha", `,"description":"old"`)
	register("beta", "")
	register("gamma", fmt.Sprintf(`,"ports":{"primary":{"port":%d}}`, stranger))
	n.procd.State("alpha", events.ServiceStarted{Instance: "i", PID: 4711, Ports: []events.Port{{Name: "primary", Port: 1, Protocol: "http", Source: "auto"}}}, "")
	n.flush()
	n.expect(0, "ports list", "4711", "auto", fmt.Sprintf("port %d/tcp, which gamma wants, is held by pid ", stranger), "it is no process of this node")
	n.expect(0, "ports list --output json", `"service": "alpha"`, `"source": "auto"`, `"orphan": false`)

	specs := t.TempDir()
	for id, text := range map[string]string{
		"alpha": `{"id":"alpha","process":{"command":"/bin/true"},"description":"new"}`,
		"gamma": fmt.Sprintf(`{"id":"gamma","process":{"command":"/bin/true","env":{"A":"1"}},"ports":{"primary":{"port":%d}}}`, stranger),
		"delta": `{"id":"delta","process":{"command":"/bin/true"},"profiles":["default"]}`,
		"spare": `{"id":"spare","process":{"command":"/bin/true"},"profiles":["other"]}`,
	} {
		if err := os.WriteFile(filepath.Join(specs, id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.expect(0, "spec plan --specs "+specs, "alpha  changed: it goes on running (pid 4711)", "description  reload", "beta  removed: it is forgotten",
		"delta  added: it is started", "spare  added: it is registered; no profile of the node enables it",
		"gamma  changed: it has the change from its next start on", "process.env.A  restart")
	n.expect(0, "spec plan --output json --specs "+specs, `"effect": "restart"`, `"field": "process.env.A"`)
	n.expect(0, "spec render alpha --specs "+specs, `"description": "new"`)
}

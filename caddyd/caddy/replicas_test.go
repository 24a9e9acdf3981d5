package caddy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// The test binary is also a web server that answers with its pid, for as long as
// its standard input is open.
func TestMain(m *testing.M) {
	if os.Getenv("CADDYD_TEST") != "server" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getpid()) }))
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// server is a process that is one replica of web.
type server struct {
	*service
	cmd *exec.Cmd
}

func (n *node) replica(i int) *server {
	n.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CADDYD_TEST=server")
	in, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		in.Close()
		cmd.Wait() // killed, for some
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		n.t.Fatal(err)
	}
	s := &server{&service{n, fmt.Sprint("web-", i), "web.localhost", strings.TrimSpace(address)}, cmd}
	n.say(s.id, events.ServiceRegistered{Name: s.id, Digest: "x", ReplicaOf: "web", Routes: []events.Route{{Hosts: []string{s.host}}}})
	s.start("one")
	s.healthy("one")
	return s
}

// die kills the process and says so, as procd does.
func (s *server) die() {
	s.n.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.n.t.Fatal(err)
	}
	s.cmd.Wait()
	s.n.say(s.id, events.ServiceExited{Instance: "one", PID: s.cmd.Process.Pid, Code: -1, Signal: "SIGKILL"})
}

// Replicas answer together: no request fails because one of them is killed, it
// gets none once that is known, and only when all are gone the edge says so.
func TestReplicaKilledUnderLoad(t *testing.T) {
	n := newNode(t)
	n.caddyd()
	var replicas []*server
	for i := range 3 {
		replicas = append(replicas, n.replica(i))
		n.until(fmt.Sprint("web-", i), "opened [web.localhost]")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var answered, failed atomic.Int64
	var seen sync.Map
	for range 4 {
		client := &http.Client{Transport: &http.Transport{}}
		load.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				r, err := http.NewRequest(http.MethodGet, "http://"+n.edge+"/", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Host = "web.localhost"
				answer, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					failed.Add(1)
					t.Errorf("%s: %s", answer.Status, body)
					continue
				}
				seen.Store(string(body), true)
				answered.Add(1)
			}
		})
	}
	more := func() { // a good many requests later
		before := answered.Load()
		waitFor(t, func() bool { return answered.Load() > before+200 || failed.Load() > 0 })
	}
	more()
	count := 0
	seen.Range(func(any, any) bool { count++; return true })
	if count != 3 {
		t.Errorf("%d replicas answered", count)
	}
	victim := replicas[1]
	victim.die()
	n.until(victim.id, "closed: exited: killed by SIGKILL")
	more()
	seen.Clear()
	more()
	if _, ok := seen.Load(fmt.Sprint(victim.cmd.Process.Pid)); ok {
		t.Error("the one that was killed answers")
	}
	cancel()
	load.Wait()

	replicas[0].die()
	n.until("web-0", "closed: exited: killed by SIGKILL")
	if status, body := n.get("web"); status != http.StatusOK || body != fmt.Sprint(replicas[2].cmd.Process.Pid) {
		t.Errorf("the last one: %d %s", status, body)
	}
	replicas[2].die()
	n.until("web-2", "closed: exited: killed by SIGKILL")
	status, body := n.get("web")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "web is not available") || !strings.Contains(body, "web-1 exited: killed by SIGKILL; ") {
		t.Errorf("none: %d %s", status, body)
	}
	for _, r := range replicas {
		waitFor(t, func() bool { return n.stored(r.id).State == state.RouteClosed })
	}
}

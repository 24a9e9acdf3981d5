package ports_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"core.internal/shared/process/ports"
)

// The test binary also holds a port for as long as its stdin is open.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "hold" {
		l, err := net.Listen(os.Args[2], "127.0.0.1:0")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(l.Addr().(*net.TCPAddr).Port)
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestHolderOf(t *testing.T) {
	cmd := exec.Command(os.Args[0], "hold", "tcp")
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
	var port int
	fmt.Fscan(out, &port)

	h, ok := ports.HolderOf(port)
	if !ok || h.PID != cmd.Process.Pid || !strings.HasSuffix(h.Command, filepath.Base(os.Args[0])+" hold tcp") || h.User == "" {
		t.Errorf("holder %+v %v, want pid %d", h, ok, cmd.Process.Pid)
	}
	err = ports.Check("tcp", port)
	var held *ports.HeldError
	if !errors.As(err, &held) || held.Holder != h {
		t.Errorf("Check: %v", err)
	}
	want := fmt.Sprintf("port %d/tcp is held by pid %d (%s) of user %s: stop it, or give the service another port", port, h.PID, h.Command, h.User)
	if err == nil || err.Error() != want {
		t.Errorf("Check: %v\nwant   %s", err, want)
	}
	in.Close()
	cmd.Wait()
	if h, ok := ports.HolderOf(port); ok {
		t.Errorf("still held by %+v", h)
	}
	if err := ports.Check("tcp", port); err != nil {
		t.Error(err)
	}
}

// A listener on every address, IPv6 among them, holds the port too.
func TestHolderOfWildcard(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if h, ok := ports.HolderOf(port); !ok || h.PID != os.Getpid() {
			t.Errorf("%s: %+v %v", address, h, ok)
		}
		if err := ports.Check("tcp", port); err == nil {
			t.Errorf("%s: it can be bound", address)
		}
		l.Close()
	}
}

func TestCheckUDP(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := c.LocalAddr().(*net.UDPAddr).Port
	var held *ports.HeldError
	if err := ports.Check("udp", port); !errors.As(err, &held) || held.Holder.PID != os.Getpid() {
		t.Errorf("%v", err)
	}
	if ports.Network("grpc") != "tcp" || ports.Network("udp") != "udp" {
		t.Error("Network")
	}
}

func TestBook(t *testing.T) {
	var b ports.Book
	first, err := b.Take("alpha", "tcp", 0, 0)
	if err != nil || first == 0 {
		t.Fatal(first, err)
	}
	if again, err := b.Take("alpha", "tcp", 0, first); err != nil || again != first {
		t.Errorf("kept: %d %v, want %d", again, err, first)
	}
	if other, err := b.Take("beta", "tcp", 0, first); err != nil || other == first {
		t.Errorf("beta got %d %v, which is alpha's", other, err)
	}
	_, err = b.Take("beta", "tcp", first, 0)
	if err == nil || !strings.Contains(err.Error(), "is held by service alpha") {
		t.Errorf("%v", err)
	}
	l, err := net.Listen("tcp4", fmt.Sprint("127.0.0.1:", first))
	if err != nil {
		t.Fatal(err)
	}
	if moved, err := b.Take("alpha", "tcp", 0, first); err != nil || moved == first {
		t.Errorf("a kept port that is held: %d %v", moved, err)
	}
	var held *ports.HeldError
	if _, err := b.Take("alpha", "tcp", first, 0); !errors.As(err, &held) {
		t.Errorf("a fixed port that is held: %v", err)
	}
	l.Close()
	if fixed, err := b.Take("alpha", "tcp", first, 0); err != nil || fixed != first {
		t.Errorf("fixed: %d %v", fixed, err)
	}
}

// Of a range each gets the first that is free, and its own again.
func TestBookTakeRange(t *testing.T) {
	// Two neighbours that are free now, the first of them held.
	var l net.Listener
	first := 0
	for range 100 {
		n, err := ports.Free("tcp")
		if err != nil {
			t.Fatal(err)
		}
		if ports.Check("tcp", n+1) == nil && ports.Check("tcp", n+2) == nil {
			first = n
			break
		}
	}
	l, err := net.Listen("tcp4", fmt.Sprint("127.0.0.1:", first))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var b ports.Book
	for _, c := range []struct {
		owner      string
		kept, want int
	}{{"a", 0, first + 1}, {"b", 0, first + 2}, {"b", first + 2, first + 2}, {"a", first + 2, first + 1}, {"b", first - 5, first + 2}} {
		if got, err := b.TakeRange(c.owner, "tcp", first, first+2, c.kept); err != nil || got != c.want {
			t.Errorf("%s, kept %d: %d, %v, want %d", c.owner, c.kept, got, err, c.want)
		}
	}
	_, err = b.TakeRange("c", "tcp", first, first+2, 0)
	var full *ports.RangeError
	if want := fmt.Sprintf("every port from %d to %d/tcp is held: stop who holds one, or give the service a wider range", first, first+2); !errors.As(err, &full) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	b.Release("a")
	if got, err := b.TakeRange("c", "tcp", first, first+2, 0); err != nil || got != first+1 {
		t.Errorf("after a release: %d, %v", got, err)
	}
}

func TestBookGivesEachItsOwn(t *testing.T) {
	var b ports.Book
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]string{}
	for i := range 50 {
		owner := fmt.Sprint("s", i)
		wg.Go(func() {
			n, err := b.Take(owner, "tcp", 0, 0)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[n] != "" {
				t.Errorf("%s got %d (%q has it), %v", owner, n, seen[n], err)
			}
			seen[n] = owner
		})
	}
	wg.Wait()
}

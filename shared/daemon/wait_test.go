package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/log"
	"core.internal/shared/testutil/testproc"
)

// silent is a daemon that nobody has connected, and its log.
func silent(t *testing.T, c config.Node) (*Daemon, *testproc.Buffer) {
	t.Helper()
	var out testproc.Buffer
	logger, err := log.New(&out, log.Options{Format: "text"})
	if err != nil {
		t.Fatal(err)
	}
	return &Daemon{Name: events.Procd, Config: c, Layout: c.Layout(), Log: logger}, &out
}

// A daemon that waits says for what: not at once, since most waits are short,
// and not with every attempt.
func TestSaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, out := silent(t, config.Node{BusURL: "nats://elsewhere:4222"})
		said := d.waiting()
		for range 100 { // 10 s
			said(1, errors.New("connection refused"))
			<-time.After(100 * time.Millisecond)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("said %d times in 10 s:\n%s", len(lines), out)
		}
		for i, waited := range []string{"waited=1s", "waited=6s"} {
			for _, want := range []string{"waiting for the bus: start one with `busd`, or name it with CORE_BUS_URL", "url=nats://elsewhere:4222", `cause="connection refused"`, waited} {
				if !strings.Contains(lines[i], want) {
					t.Errorf("%s lacks %s", lines[i], want)
				}
			}
		}
	})
}

// A credential that is not there yet is waited for; one that never comes is named.
func TestAwaitFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "procd.nk")
		attempts := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := awaitFile(ctx, file, func(attempt int, err error) {
			if attempts++; attempt != attempts || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "no credential yet: ") {
				t.Errorf("attempt %d is told as %d: %v", attempts, attempt, err)
			}
			if attempts == 3 {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil || attempts != 3 {
			t.Errorf("after %d attempts: %v", attempts, err)
		}
		never := file + ".never"
		if err := awaitFile(ctx, never, nil); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait for the credential "+never) {
			t.Errorf("got %v", err)
		}
		if err := awaitFile(ctx, "", nil); err != nil {
			t.Errorf("without a credential: %v", err)
		}
	})
}

func TestWhereTheBusIs(t *testing.T) {
	root := t.TempDir()
	for _, tt := range []struct {
		c         config.Node
		url, seed string
	}{
		{config.Node{Name: "n", Root: root, BusListen: "127.0.0.1:1"}, "nats://127.0.0.1:1", bus.SeedFile(filepath.Join(root, "n", "keys"), events.Procd)},
		{config.Node{Name: "n", Root: root, BusListen: "127.0.0.1:1", BusURL: "tls://x:1", BusSeedFile: "/seed"}, "tls://x:1", "/seed"},
	} {
		if d, _ := silent(t, tt.c); d.busURL() != tt.url || d.seed() != tt.seed {
			t.Errorf("%s with %s, want %s with %s", d.busURL(), d.seed(), tt.url, tt.seed)
		}
	}
}

func TestReason(t *testing.T) {
	for want, err := range map[string]error{"asked to stop": nil, "no room": errors.New("no room")} {
		if got := reason(err); got != want {
			t.Errorf("%v: %q", err, got)
		}
	}
	if got := reason(context.Canceled); got != "asked to stop" {
		t.Errorf("cancelled: %q", got)
	}
}

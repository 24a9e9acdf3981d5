package server_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus/server"
	"core.internal/shared/events"
)

// smallDisk is a directory with room for the given number of bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		t.Skip("mounting a small disk needs privileges")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A bus whose disk was full ends once there is space, so that it is begun anew:
// its streams would never take a message again.
func TestFullDisk(t *testing.T) {
	c := config(t, events.Busd)
	c.Store, c.StoreDir = server.File, smallDisk(t, "24m")
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	conn := connect(t, s, c, events.Busd)
	publish := func(js jetstream.JetStream) error {
		_, err := js.Publish(within(t), "core.event.local.busd.busd.tested", []byte(strings.Repeat("x", 1000)), jetstream.WithRetryAttempts(0))
		return err
	}
	if err := publish(conn.JS); err != nil {
		t.Fatal(err)
	}
	fill := filepath.Join(c.StoreDir, "fill")
	if err := os.WriteFile(fill, make([]byte, 32<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	for err = nil; err == nil; {
		attempt, cancel := context.WithTimeout(within(t), 500*time.Millisecond)
		_, err = conn.JS.Publish(attempt, "core.event.local.busd.busd.tested", make([]byte, 1000), jetstream.WithRetryAttempts(0))
		cancel()
	}
	select {
	case err := <-done:
		t.Fatalf("the bus ended while its disk was full: %v", err)
	default:
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "there is space again") || !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Fatalf("the bus ended with %v", err)
	}
	again := run(t, c)
	if err := publish(connect(t, again, c, events.Busd).JS); err != nil {
		t.Errorf("begun anew it takes nothing: %v", err)
	}
}

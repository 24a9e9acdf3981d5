//go:build linux

package runner

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// What a node was started to ignore its services do not ignore.
func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR2)
	b := start(t, nil)
	c := b.command("one", "polite")
	c.Path, c.Args = "/bin/sh", []string{"-c", `trap 'echo told' USR2; kill -USR2 $$; echo done`}
	p := b.start(c)
	<-p.Done()
	if got := strings.Join(p.Exit().LastLines, " "); got != "told done" {
		t.Errorf("it wrote %q", got)
	}
}

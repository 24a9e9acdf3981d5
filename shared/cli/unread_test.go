package cli

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// What goes on ends when its output is read no more, though nothing happens that
// it could tell.
func TestNobodyReads(t *testing.T) {
	n := startNode(t)
	n.lines.PublishLine(testbus.Node, "alpha", "stdout", events.LogLine{Time: time.Now(), Text: "one"})
	root := t.TempDir()
	for _, args := range [][]string{
		{"status", "--watch"}, {"status", "--watch", "--output", "json"}, {"events", "--follow"}, {"logs", "alpha", "--follow"},
	} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var errs testproc.Buffer
		code := make(chan int, 1)
		go func() {
			args := append(args, "--bus.url", n.bus.URL(), "--bus.seed-file", n.bus.Seed(events.Operator), "--root", root)
			code <- ExitCode(Exec(ctx, args, nil, nil, write, &errs, testApp()))
		}()
		if _, err := bufio.NewReader(read).ReadString('\n'); err != nil {
			t.Error(err)
		}
		read.Close()
		if got := <-code; got != ExitUnread || ctx.Err() != nil || errs.String() != "" {
			t.Errorf("%v: status %d, want %d; %v\n%s", args, got, ExitUnread, ctx.Err(), errs.String())
		}
		cancel()
		write.Close()
	}
}

// A reader that stays ends nothing, and neither does a file.
func TestSomebodyReads(t *testing.T) {
	n := startNode(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs testproc.Buffer
	code := make(chan int, 1)
	go func() {
		args := []string{"events", "--follow", "--bus.url", n.bus.URL(), "--bus.seed-file", n.bus.Seed(events.Operator), "--root", t.TempDir()}
		code <- ExitCode(Exec(ctx, args, nil, nil, write, &errs, testApp()))
	}()
	n.procd.State("alpha", events.ServiceHealthy{Instance: "i9"}, "")
	n.flush()
	lines := bufio.NewScanner(read)
	for lines.Scan() && !strings.Contains(lines.Text(), "instance=i9") {
	}
	cancel()
	if got := <-code; got != ExitInterrupted || lines.Err() != nil {
		t.Errorf("status %d, %v\n%s", got, lines.Err(), errs.String())
	}

	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := &call{out: render.New(file, nil)}
	if err := c.whileRead(t.Context(), func(ctx context.Context) error { return ctx.Err() }); err != nil {
		t.Error(err)
	}
}

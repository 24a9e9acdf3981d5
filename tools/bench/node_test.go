package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a node whose launcher is a shell script: its second up fails.
func fake(t *testing.T, down string) *node {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "launcher")
	script := `#!/bin/sh
cd "$(dirname "$0")"
case $1 in
up)
	[ -e up ] && { echo '{"error":"no more"}' >&3; exit 1; }
	: >up
	echo '{"up":{}}' >&3
	exec sleep 600 3>&-;;
down)
	echo "$@" >>down
	` + down + `;;
esac
`
	if err := os.WriteFile(binary, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &node{binary: binary, args: []string{"up"}, dir: dir, root: "/root"}
}

// A node whose launcher is gone is taken down all the same.
func TestStopAfterAFailedLaunch(t *testing.T) {
	for _, tt := range []struct{ down, want string }{{"exit 0", ""}, {"echo held >&2; exit 1", "launcher down: exit status 1\nheld\n"}} {
		n := fake(t, tt.down)
		if err := n.launch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := n.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		n.cmd.Wait()
		if err := n.launch(t.Context()); err == nil || !strings.Contains(err.Error(), "did not come up: no more") {
			t.Errorf("the second launch: %v", err)
		}
		got := ""
		if err := n.stop(); err != nil {
			got = err.Error()
		}
		asked, _ := os.ReadFile(filepath.Join(n.dir, "down"))
		if got != tt.want || string(asked) != "down --root /root\n" {
			t.Errorf("stop: %q, want %q; the launcher was asked %q", got, tt.want, asked)
		}
	}
}

func TestRounds(t *testing.T) {
	for verb := range strings.FieldsSeq("boot help transcripts supervise logs outlive") {
		err := execute(context.Background(), []string{verb, "-n", "0"}, io.Discard, io.Discard)
		if want := "-n 0: what is not measured has no median: measure at least once"; err == nil || err.Error() != want {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

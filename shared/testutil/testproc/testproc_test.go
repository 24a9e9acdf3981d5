package testproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main(Programs{
		"say":  func(args []string) { fmt.Println(strings.Join(args, " ")) },
		"fail": func([]string) { os.Exit(3) },
	})
	goleak.VerifyTestMain(m)
}

func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		program, out string
		code         int
	}{
		{"say", "a b\n", 0},
		{"fail", "", 3},
		{"other", "this test binary has no program other\n", 2},
	} {
		out, err := Command(t, tt.program, "a", "b").CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if string(out) != tt.out || code != tt.code {
			t.Errorf("%s: %q with status %d, want %q with %d", tt.program, out, code, tt.out, tt.code)
		}
	}
}

// Whoever waits for a text is told, however it is cut into writes.
func TestBufferAwait(t *testing.T) {
	var b Buffer
	var waiters, writers sync.WaitGroup
	for i := range 4 {
		waiters.Go(func() { b.Await(t, fmt.Sprintf("<%d>", i)) })
	}
	for i := range 4 {
		writers.Go(func() { fmt.Fprintf(&b, "<%d>", i) })
	}
	writers.Wait()
	waiters.Wait()
	if got := b.String(); len(got) != 12 {
		t.Errorf("kept %q", got)
	}
}

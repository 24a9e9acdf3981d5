package cli_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/testutil/testbus"

	"core.internal/services/alpha/cli"
	"core.internal/services/alpha/process"
	"core.internal/shared/testutil/testservice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

// TestServeAndGreet runs the program as its spec does, by its environment alone.
func TestServeAndGreet(t *testing.T) {
	b := testbus.Start(t, process.Source)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	environ := []string{"CORE_NODE=local", "CORE_BUS_URL=" + b.URL(), "CORE_BUS_SEED_FILE=" + b.Seed(process.Source), "CORE_LISTEN=" + address}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var logs bytes.Buffer
	go func() { done <- cli.Command(testservice.Spec(t)).Exec(ctx, nil, environ, nil, io.Discard, &logs) }()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)

	greet := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := cli.Command(testservice.Spec(t)).Exec(t.Context(), append([]string{"greet"}, args...), []string{"CORE_ALPHA_URL=http://" + address}, nil, &out, &out)
		return out.String(), err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var out string
	for range 500 {
		if out, err = greet("Ada"); err == nil {
			break
		}
		<-tick.C
	}
	if err != nil || out != "Hello, Ada! (1 of 1)\n" {
		t.Errorf("greet Ada: %q, %v", out, err)
	}
	if _, err := greet(" "); err == nil || !strings.Contains(err.Error(), `answered 400: field "name": empty`) {
		t.Errorf("greet nobody: %v", err)
	}
	r, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if !strings.Contains(string(metrics), "\nalpha_greetings 1\n") {
		t.Errorf("metrics:\n%s", metrics)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	if got := logs.String(); !strings.Contains(got, `"msg":"greeted"`) || !strings.Contains(got, `"name":"Ada"`) {
		t.Errorf("log:\n%s", got)
	}
	if _, err := greet("Ada"); err == nil || !strings.Contains(err.Error(), "is the node up?") {
		t.Errorf("greet at an alpha that is gone: %v", err)
	}
}

package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"

	"core.internal/services/console/cli"
	"core.internal/shared/testutil/testservice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

// TestConsole runs the program as its spec does, by its environment alone, and
// goes in by the link that it prints.
func TestConsole(t *testing.T) {
	b := testbus.Start(t, events.Console)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	environ := []string{
		"CORE_NODE=local", "CORE_BUS_URL=" + b.URL(), "CORE_BUS_SEED_FILE=" + b.Seed(events.Console),
		"CORE_LISTEN=" + address, "CORE_CONSOLE_URL=http://" + address,
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var logs bytes.Buffer
	go func() {
		done <- cli.Command(testservice.Spec(t)).Exec(ctx, []string{"serve"}, environ, nil, io.Discard, &logs)
	}()

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	get := func(url string, cookies ...*http.Cookie) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, ""
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer, string(body)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for healthy := false; !healthy; {
		select {
		case <-tick.C:
			r, _ := get("http://" + address + "/health")
			healthy = r != nil && r.StatusCode == 200
		case err := <-done:
			t.Fatalf("the console ended: %v\n%s", err, logs.String())
		}
	}

	var out bytes.Buffer
	if err := cli.Command(testservice.Spec(t)).Exec(t.Context(), []string{"link"}, environ, nil, &out, &out); err != nil {
		t.Fatal(err)
	}
	link := strings.TrimSpace(out.String())
	token, err := os.ReadFile(filepath.Join(b.Keys(), "console.token"))
	if want := "http://" + address + "/login?token=" + url.QueryEscape(strings.TrimSpace(string(token))); err != nil || link != want {
		t.Fatalf("link %s, want %s (%v)", link, want, err)
	}
	r, _ := get(link)
	if r.StatusCode != 303 || len(r.Cookies()) != 1 {
		t.Fatalf("the link: %d %v", r.StatusCode, r.Cookies())
	}
	if r, body := get("http://"+address+"/", r.Cookies()...); r.StatusCode != 200 || !strings.Contains(body, "Core · local") {
		t.Errorf("the page: %d %.200s", r.StatusCode, body)
	}
	// Figures are not among what anybody on the edge can see.
	if r, _ := get("http://" + address + "/metrics"); r.StatusCode != 401 {
		t.Errorf("/metrics without a login: %d", r.StatusCode)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the console ended: %v", err)
	}
	if strings.Contains(logs.String(), strings.TrimSpace(string(token))) {
		t.Errorf("the token is in the log:\n%s", logs.String())
	}
}

func TestWrongSettings(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open.token")
	if err := os.WriteFile(open, []byte(strings.Repeat("x", 40)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args, want string
		usage      bool
	}{
		{"serve", "console.token-file: empty", true},
		{"link", "console.token-file: empty", true},
		{"serve --console.token-file " + open + " --console.hosts a/b", `setting console.hosts: "a/b"`, true},
		{"serve --console.token-file " + open + " --bus.url=", "CORE_BUS_URL", true},
		{"serve --console.token-file " + open, "chmod 600", false},
		{"link --console.token-file " + filepath.Join(t.TempDir(), "t") + " --console.url x", "setting console.url", true},
		{"serve --console.tokenfile x", "did you mean --console.token-file?", true},
		{"server", "did you mean serve?", true},
	} {
		err := cli.Command(testservice.Spec(t)).Exec(t.Context(), strings.Fields(tt.args), nil, nil, io.Discard, io.Discard)
		var usage *config.UsageError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &usage) != tt.usage {
			t.Errorf("%s: %v: want %q, usage %v", tt.args, err, tt.want, tt.usage)
		}
	}
}

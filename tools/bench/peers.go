package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// goBuild builds a package of the workspace, or a tool that this module pins.
func (b *bench) goBuild(ctx context.Context, pkg, name string) (string, error) {
	out := filepath.Join(b.dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
	cmd.Dir = b.ws.Root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// freePort returns a port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// timeToReady starts a server, waits until ready answers, and stops it again.
func timeToReady(ctx context.Context, cmd *exec.Cmd, ready func() bool) (up, down time.Duration, err error) {
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	limit := began.Add(10 * time.Second)
	for !ready() {
		if time.Now().After(limit) || ctx.Err() != nil {
			cmd.Process.Kill()
			return 0, 0, fmt.Errorf("%s: not ready within 10 s: %w", cmd.Path, cmd.Wait())
		}
		time.Sleep(500 * time.Microsecond)
	}
	up = time.Since(began)
	began = time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, 0, err
	}
	cmd.Wait() // both exit with a status of their own after SIGTERM
	return up, time.Since(began), nil
}

// natsOnce measures a stock nats-server with JetStream.
func (b *bench) natsOnce(ctx context.Context, binary string) (up, down time.Duration, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	store, err := os.MkdirTemp(b.dir, "nats-")
	if err != nil {
		return 0, 0, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.CommandContext(ctx, binary, "-a", "127.0.0.1", "-p", fmt.Sprint(port), "-js", "-sd", store)
	return timeToReady(ctx, cmd, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && strings.Contains(line, `"jetstream":true`)
	})
}

// caddyOnce measures a stock Caddy that answers one route.
func (b *bench) caddyOnce(ctx context.Context, binary string) (up, down time.Duration, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	config := filepath.Join(b.dir, "caddy.json")
	text := fmt.Sprintf(`{"admin":{"disabled":true},"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:%d"],"automatic_https":{"disable":true},"routes":[{"handle":[{"handler":"static_response","body":"ok"}]}]}}}}}`, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, 0, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	cmd := exec.CommandContext(ctx, binary, "run", "--config", config)
	return timeToReady(ctx, cmd, func() bool {
		r, err := client.Get(url)
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

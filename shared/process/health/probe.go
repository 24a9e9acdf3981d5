package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"core.internal/shared/spec"
)

// Probe carries out one check and returns nil if it passed. It takes no longer
// than the check's timeout. Checks of type bus and log are a [Prober]'s.
func Probe(ctx context.Context, c Check) error {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var err error
	switch c.Type {
	case spec.HealthHTTP:
		err = probeHTTP(ctx, c)
	case spec.HealthTCP:
		err = probeTCP(ctx, c)
	case spec.HealthExec:
		err = probeExec(ctx, c)
	case spec.HealthGRPC:
		err = probeGRPC(ctx, c)
	case spec.HealthNone, "":
	default:
		return fmt.Errorf("health type %q: want http, tcp, exec, grpc or none", c.Type)
	}
	if err != nil && ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", c.Timeout)
	}
	return err
}

func probeTCP(ctx context.Context, c Check) error {
	conn, err := dial(ctx, c.Endpoint)
	if err != nil {
		return err
	}
	return conn.Close()
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, cause(err))
	}
	return conn, nil
}

// cause is the part of a network error that says something new.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// maxBody is how much of an answer's body is read and thrown away.
const maxBody = 64 << 10

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func probeHTTP(ctx context.Context, c Check) error {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" {
		return fmt.Errorf("health endpoint %q is no URL such as http://127.0.0.1:8080/health", c.Endpoint)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := dial(ctx, net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	defer func() { conn.Close() }()
	if u.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: u.Hostname()})
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: core-health\r\nConnection: close\r\n\r\n", u.RequestURI(), u.Host)
	if _, err := conn.Write([]byte(request)); err != nil {
		return fmt.Errorf("GET %s: %w", c.Endpoint, timedOut(ctx, err))
	}
	r := readers.Get().(*bufio.Reader)
	r.Reset(conn)
	defer readers.Put(r)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return fmt.Errorf("GET %s: %w", c.Endpoint, timedOut(ctx, err))
	}
	// Read what is there, so that closing does not reset the connection.
	io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody))
	if ok := answer.StatusCode/100 == 2; len(c.Expected) == 0 && !ok || len(c.Expected) > 0 && !slices.Contains(c.Expected, answer.StatusCode) {
		return fmt.Errorf("GET %s: status %s", c.Endpoint, answer.Status)
	}
	return nil
}

// timedOut makes sure that an exceeded deadline shows as the context's error,
// whose timer may be a moment behind the connection's.
func timedOut(ctx context.Context, err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		<-ctx.Done()
		return ctx.Err()
	}
	return cause(err)
}

// maxOutput is how much of a failed command's output its reason has.
const maxOutput = 200

func probeExec(ctx context.Context, c Check) error {
	if len(c.Command) == 0 {
		return errors.New("an exec check has no command")
	}
	cmd := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(out.kept), "?")), " ")
	if text != "" {
		return fmt.Errorf("%s: %w: %s", c.Command[0], err, text)
	}
	return fmt.Errorf("%s: %w", c.Command[0], err)
}

// tail keeps the last bytes written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

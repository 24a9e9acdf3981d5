package service_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testservice"
)

func TestLife(t *testing.T) {
	b := testbus.Start(t, "demo")
	goOn := make(chan struct{})
	slow := make(chan struct{})
	var order []string
	o := service.Options{
		ID: "demo", Settings: testservice.Settings(b, "demo"),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(slow)
				<-goOn
			}
			io.WriteString(w, "answer")
		}),
		Work: func(ctx context.Context, s *service.Service) error {
			<-goOn
			if err := s.Ready(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			order = append(order, "work")
			return ctx.Err()
		},
		Drain: func() { order = append(order, "drain") },
	}
	l := testservice.Run(t, o)

	status, body := get(t, l.Address, "/health")
	if status != 503 || decode(t, body)["status"] != "starting" {
		t.Errorf("before ready: %d %s", status, body)
	}
	if got := facts(t, b, "demo"); len(got) > 0 {
		t.Errorf("stated before it is ready: %v", got)
	}
	if status, body := get(t, l.Address, "/"); status != 200 || body != "answer" {
		t.Errorf("requests are answered before ready: %d %s", status, body)
	}
	goOn <- struct{}{}
	wait(t, func() bool { status, _ := get(t, l.Address, "/health"); return status == 200 })
	got := facts(t, b, "demo")
	if len(got) != 1 || got[0].Type != "daemon.ready" {
		t.Fatalf("facts %v: want ready", got)
	}
	ready, err := events.As[events.DaemonReady](got[0])
	if err != nil || ready.Addresses["http"] != l.Address {
		t.Errorf("ready: %+v, %v: want http at %s", ready, err, l.Address)
	}
	if status, body := get(t, l.Address, "/metrics"); status != 200 || !strings.Contains(body, "core_http_requests_total") || !strings.Contains(body, "process_resident_memory_bytes") {
		t.Errorf("metrics: %d %.200s", status, body)
	}

	// A request in flight ends, and the work goes on until it has.
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, l.Address, "/slow")
		answered <- body
	}()
	<-slow
	stopped := make(chan error, 1)
	go func() { stopped <- l.Stop() }()
	wait(t, func() bool { return refused(l.Address) })
	close(goOn)
	if body := <-answered; body != "answer" {
		t.Errorf("the request in flight was answered %q", body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Join(order, " ") != "drain work" {
		t.Errorf("order %v: want drain, work", order)
	}
	got = facts(t, b, "demo")
	last, err := events.As[events.DaemonStopped](got[len(got)-1])
	if err != nil || last.Reason != "asked to stop" {
		t.Errorf("last fact %v, %v", got[len(got)-1], err)
	}
}

func TestHealthStaysWhenTheBusIsLost(t *testing.T) {
	b := testbus.Start(t, "demo")
	l := testservice.Run(t, service.Options{ID: "demo", Settings: testservice.Settings(b, "demo"), Work: func(ctx context.Context, s *service.Service) error {
		if err := s.Ready(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}})
	health := func() (int, string) {
		status, body := get(t, l.Address, "/health")
		return status, decode(t, body)["bus"]
	}
	wait(t, func() bool { status, _ := health(); return status == 200 })
	b.Down()
	wait(t, func() bool { status, bus := health(); return status == 200 && bus == "reconnecting" })
	b.Up()
	wait(t, func() bool { status, bus := health(); return status == 200 && bus == "connected" })
	// A bus that lost its memory hears again that the service is ready.
	wait(t, func() bool { return len(facts(t, b, "demo")) == 1 })
}

func TestStartsBeforeTheBus(t *testing.T) {
	b := testbus.Start(t, "demo")
	b.Down()
	o := service.Options{ID: "demo", Settings: testservice.Settings(b, "demo"), Work: func(ctx context.Context, s *service.Service) error {
		if err := s.Ready(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Settings.Listen = l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx, o) }()
	wait(t, func() bool { return !refused(o.Settings.Listen) })
	if status, body := get(t, o.Settings.Listen, "/health"); status != 503 || decode(t, body)["bus"] != "waiting" {
		t.Errorf("without a bus: %d %s", status, body)
	}
	b.Up()
	wait(t, func() bool { status, _ := get(t, o.Settings.Listen, "/health"); return status == 200 })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}

	b.Down()
	ctx, cancel = context.WithCancel(t.Context())
	go func() { done <- service.Run(ctx, o) }()
	wait(t, func() bool { return !refused(o.Settings.Listen) })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped while it waits for a bus: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	b := testbus.Start(t, "demo")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	idle := func(ctx context.Context, s *service.Service) error { <-ctx.Done(); return nil }
	tests := []struct {
		name   string
		change func(*service.Options)
		want   string
	}{
		{"port taken", func(o *service.Options) { o.Settings.Listen = taken.Addr().String() }, "another process has that port"},
		{"metrics port taken", func(o *service.Options) { o.Settings.MetricsListen = taken.Addr().String() }, "--listen.metrics"},
		{"no credential", func(o *service.Options) { o.Settings.BusSeedFile = "" }, "refused"},
		{"missing credential", func(o *service.Options) { o.Settings.BusSeedFile = "none.nk" }, "none.nk"},
		{"work fails", func(o *service.Options) {
			o.Work = func(context.Context, *service.Service) error { return errors.New("no luck") }
		}, "no luck"},
		{"work ends", func(o *service.Options) {
			o.Work = func(context.Context, *service.Service) error { return nil }
		}, "ended by itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := service.Options{ID: "demo", Settings: testservice.Settings(b, "demo"), Work: idle}
			tt.change(&o)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := service.Run(ctx, o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run: %v: want %q", err, tt.want)
			}
		})
	}
}

// refused reports whether nobody listens on an address.
func refused(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		c.Close()
	}
	return err != nil
}

// wait returns once a condition holds.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not come to that")
		}
	}
}

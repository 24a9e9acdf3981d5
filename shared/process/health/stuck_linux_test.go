package health_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"core.internal/shared/process/health"
	"core.internal/shared/spec"
	"core.internal/shared/testutil/testproc"
)

// A command that gets no answer from its file system has failed when its time is over,
// and no garbage collection waits for it.
func TestStuckCommand(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	lease := testproc.TakeLease(t, program)
	verdicts := make(chan health.Verdict, 10)
	p := health.New(health.Options{Report: func(_ health.Target, v health.Verdict) { verdicts <- v }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	c := health.Check{
		Type: spec.HealthExec, Command: []string{program}, Dir: filepath.Dir(program),
		Interval: 20 * time.Millisecond, Timeout: 200 * time.Millisecond, StartPeriod: 1, Threshold: 2,
	}
	p.Add(whole("a", "i"), c, false)
	v := <-verdicts
	runtime.GC()
	if v.Healthy || !strings.Contains(v.Reason, "no answer from "+c.Dir) {
		t.Errorf("%+v", v)
	}
	lease.Free()
	if v := <-verdicts; !v.Healthy {
		t.Errorf("%+v", v)
	}
}

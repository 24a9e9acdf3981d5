package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/process/health"
	"core.internal/shared/spec"
)

func TestProbeHTTP(t *testing.T) {
	var path atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.Host + r.URL.String())
		switch r.URL.Path {
		case "/hang":
			<-r.Context().Done()
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/elsewhere":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/flood":
			io.Copy(w, strings.NewReader(strings.Repeat("x", 1<<20)))
		}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	closed := unused(t)
	for _, c := range []struct {
		url      string
		expected []int
		want     string
	}{
		{s.URL, nil, ""},
		{s.URL + "/flood", nil, ""},
		{s.URL + "/teapot", []int{200, 418}, ""},
		{s.URL + "/teapot", nil, "GET " + s.URL + "/teapot: status 418 I'm a teapot"},
		{s.URL, []int{204}, "status 200 OK"},
		{s.URL + "/elsewhere", nil, "status 302 Found"},
		{s.URL + "/hang", nil, "no answer within 200ms"},
		{"http://" + closed, nil, "connect to " + closed + ": connection refused"},
		{"nonsense", nil, "is no URL"},
		{"http://%zz", nil, "is no URL"},
	} {
		err := health.Probe(t.Context(), health.Check{Type: spec.HealthHTTP, Endpoint: c.url, Expected: c.expected, Timeout: 200 * time.Millisecond})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
	}
	if err := health.Probe(t.Context(), health.Check{Type: spec.HealthHTTP, Endpoint: s.URL + "/a?b=c"}); err != nil || path.Load() != host+"/a?b=c" {
		t.Errorf("asked for %v, %v", path.Load(), err)
	}
}

func TestProbeHTTPS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	err := health.Probe(t.Context(), health.Check{Type: spec.HealthHTTP, Endpoint: s.URL})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
}

func TestProbeOfNoHTTPServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "SSH-2.0-nonsense\r\n")
			c.Close()
		}
	}()
	err = health.Probe(t.Context(), health.Check{Type: spec.HealthHTTP, Endpoint: "http://" + l.Addr().String()})
	if err == nil {
		t.Error("it passed")
	}
	if err := health.Probe(t.Context(), health.Check{Type: spec.HealthTCP, Endpoint: l.Addr().String()}); err != nil {
		t.Error(err)
	}
}

func unused(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestProbeTCPAndNone(t *testing.T) {
	address := unused(t)
	err := health.Probe(t.Context(), health.Check{Type: spec.HealthTCP, Endpoint: address})
	if err == nil || err.Error() != "connect to "+address+": connection refused" {
		t.Errorf("%v", err)
	}
	if err := health.Probe(t.Context(), health.Check{Type: spec.HealthNone}); err != nil {
		t.Error(err)
	}
	if err := health.Probe(t.Context(), health.Check{Type: "carrier pigeon"}); err == nil {
		t.Error("an unknown type passed")
	}
}

func TestProbeExec(t *testing.T) {
	for _, c := range []struct {
		command []string
		want    string
	}{
		{[]string{"/bin/sh", "-c", `test "$GREETING" = hello && test "$(pwd)" = /`}, ""},
		{[]string{"/bin/sh", "-c", "echo first; echo ' disk   full ' >&2; exit 4"}, "/bin/sh: exit status 4: first disk full"},
		{[]string{"/bin/sh", "-c", "sleep 60 & wait"}, "no answer within 300ms"},
		{[]string{"/bin/sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; exit 1"}, "exit status 1: xxx"},
		{[]string{"/no/such/command"}, "no such file"},
		{nil, "no command"},
	} {
		began := time.Now()
		err := health.Probe(t.Context(), health.Check{
			Type: spec.HealthExec, Command: c.command, Env: []string{"GREETING=hello", "PATH=" + os.Getenv("PATH")}, Dir: "/", Timeout: 300 * time.Millisecond,
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.command, err, c.want)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%v: %d bytes of error", c.command, len(err.Error()))
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%v took %v", c.command, took)
		}
	}
}

func TestTracker(t *testing.T) {
	no := errors.New("no")
	check := health.Check{StartPeriod: 10 * time.Second, Threshold: 3}
	for _, c := range []struct {
		name, story string // +: passed, -: failed, at one second each
		want        string // h, u, e (early) or .: the change after each
	}{
		{"healthy at once", "+++", "h.."},
		{"failures in the start period do not count", "---------+", ".....e...h"},
		{"after it they do", "-------------", ".....e......u"},
		{"what becomes healthy soon is not said to be late", "----+", "....h"},
		{"threshold", "+--+---", "h.....u"},
		{"once healthy, the start period is over", "+---", "h..u"},
		{"said once", "+-----", "h..u.."},
		{"found again", "+---+--+", "h..uh..."},
	} {
		var tr health.Tracker
		got := ""
		for i, r := range c.story {
			var err error
			if r == '-' {
				err = no
			}
			v, changed := tr.Observe(check, err, time.Duration(i)*time.Second)
			switch {
			case !changed:
				got += "."
			case v.Healthy:
				got += "h"
			case v.Early:
				got += "e"
			default:
				got += "u"
				if v.Reason != "no" {
					t.Errorf("%s: reason %q", c.name, v.Reason)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A check that wants several successes in a row is healthy, first and again,
// only then; a failure in between begins the count anew.
func TestTrackerOfSeveralSuccesses(t *testing.T) {
	check := health.Check{Threshold: 2, Successes: 3, StartPeriod: time.Second}
	for story, want := range map[string]string{
		"+++++":          "..h..",
		"++-+++":         ".....h",
		"+++--++-+++":    "..h.u.....h",
		"++--":           "...u",
		"--+++":          "..." + ".h",
		"+++-+-+--+++--": "..h.....u..h.u",
	} {
		var tr health.Tracker
		got := ""
		for i, r := range story {
			var err error
			if r == '-' {
				err = errors.New("no")
			}
			switch v, changed := tr.Observe(check, err, time.Duration(i)*time.Second); {
			case !changed:
				got += "."
			case v.Healthy:
				got += "h"
			default:
				got += "u"
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", story, got, want)
		}
	}
}

// recorder is a probe that says when it was made.
type recorder struct {
	mu      sync.Mutex
	began   time.Time
	at      map[string][]time.Duration
	err     func(id string, uptime time.Duration) error
	reports []string
}

func newRecorder() *recorder {
	return &recorder{began: time.Now(), at: map[string][]time.Duration{}, err: func(string, time.Duration) error { return nil }}
}

func (r *recorder) probe(_ context.Context, c health.Check) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := time.Since(r.began)
	r.at[c.Endpoint] = append(r.at[c.Endpoint], since)
	return r.err(c.Endpoint, since)
}

func (r *recorder) report(t health.Target, v health.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, fmt.Sprintf("%v %s/%s %v %s", time.Since(r.began), t.ID, t.Instance, v.Healthy, v.Reason))
}

func whole(id, instance string) health.Target {
	return health.Target{ID: id, Instance: instance, Purpose: health.Whole}
}

func prober(t *testing.T, r *recorder, workers int) *health.Prober {
	p := health.New(health.Options{Report: r.report, Probe: r.probe, Workers: workers})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return p
}

func TestCadence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		r.err = func(_ string, up time.Duration) error {
			if up < 100*time.Millisecond || up > 12*time.Second {
				return errors.New("refused")
			}
			return nil
		}
		p := prober(t, r, 0)
		p.Add(whole("alpha", "i1"), health.Check{Endpoint: "alpha", Type: spec.HealthTCP}, false)
		<-time.After(38 * time.Second)
		p.Remove("alpha", "i1")
		<-time.After(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		at := r.at["alpha"]
		first := slices.IndexFunc(at, func(d time.Duration) bool { return d >= 100*time.Millisecond })
		if at[0] != 0 || at[1] != 2*time.Millisecond || first > 13 || at[first] > 125*time.Millisecond {
			t.Errorf("probes at %v", at[:first+1])
		}
		steady := at[first+1:]
		for i, d := range steady {
			before := at[first+i]
			// The first pause is shorter: see together.
			if pause := d - before; pause != 5*time.Second && (i > 0 || pause > 5*time.Second || pause < 4750*time.Millisecond) {
				t.Errorf("a probe at %v after one at %v", d, before)
			}
		}
		if len(steady) != 7 || len(r.reports) != 2 || !strings.HasSuffix(r.reports[0], "alpha/i1 true ") || !strings.HasSuffix(r.reports[1], "alpha/i1 false refused") {
			t.Errorf("%d probes, reports %q", len(steady), r.reports)
		}
	})
}

// Checks of many instances are made at few moments.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		p := prober(t, r, 0)
		for i := range 50 {
			p.Add(whole(fmt.Sprint("s", i), "i1"), health.Check{Endpoint: fmt.Sprint("s", i), Type: spec.HealthTCP}, true)
			<-time.After(19 * time.Millisecond)
		}
		<-time.After(20 * time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		moments := map[time.Duration]bool{}
		for i := range 50 {
			for _, at := range r.at[fmt.Sprint("s", i)][1:] {
				moments[at] = true
			}
		}
		if n := len(moments); n == 0 || n > 25 {
			t.Errorf("%d moments", len(moments))
		}
	})
}

// A new instance takes the place of the old one; results of the old do not count.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		p := prober(t, r, 0)
		p.Add(whole("alpha", "i1"), health.Check{Endpoint: "a"}, false)
		synctest.Wait()
		p.Add(whole("alpha", "i2"), health.Check{Endpoint: "b"}, true)
		p.Remove("alpha", "i1") // too late to matter
		<-time.After(6 * time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.at["a"]) != 1 || len(r.at["b"]) != 2 || len(r.reports) != 1 {
			t.Errorf("%v %v", r.at, r.reports)
		}
	})
}

func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most, probes atomic.Int64
		p := health.New(health.Options{
			Report: func(health.Target, health.Verdict) {},
			Probe: func(ctx context.Context, c health.Check) error {
				n := under.Add(1)
				defer under.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				probes.Add(1)
				<-time.After(50 * time.Millisecond)
				return nil
			},
			Workers: 4,
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		for i := range 20 {
			p.Add(whole(fmt.Sprint("s", i), "i"), health.Check{}, false)
		}
		<-time.After(300 * time.Millisecond)
		if most.Load() != 4 || probes.Load() < 20 {
			t.Errorf("%d at once, %d in all", most.Load(), probes.Load())
		}
		cancel()
		<-ended
	})
}

// What watching 200 services at rest costs per second of their lives.
func BenchmarkProbe(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	for _, c := range []health.Check{
		{Type: spec.HealthHTTP, Endpoint: s.URL + "/health"},
		{Type: spec.HealthTCP, Endpoint: strings.TrimPrefix(s.URL, "http://")},
	} {
		b.Run(string(c.Type), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := health.Probe(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

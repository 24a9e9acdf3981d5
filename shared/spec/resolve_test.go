package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"core.internal/shared/events"
)

func parse(t *testing.T, file, text string) Located {
	t.Helper()
	s, err := ParseLocated(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var vars = Vars{
	Bin: "/core/bin", ConfigDir: "/core/local/conf/a", DataDir: "/core/local/data/a", LogDir: "/core/local/logs", Node: "local",
	Ports: map[string]int{"primary": 1080, "metrics": 1081}, Env: []string{"HOME=/home/first", "HOME=/home/last"},
}

func TestResolve(t *testing.T) {
	s := parse(t, "/specs/a.json", `{
		"id": "a",
		"dep": {"name": "a", "version": "1.2", "source": "system"},
		"process": {
			"command": "{shared.dep.bin}/a-{shared.dep.version}",
			"args": ["{{not}", "{{{node.name}}", "{ports.primary}:{ports.metrics}", "}", ""],
			"env": {"HOME": "{env.HOME}", "CONF": "{shared.config.dir}", "LOGS": "{shared.log.dir}"},
			"ensure": [{"type": "template", "template": "t/a.tmpl", "target": "{shared.config.dir}/a"}]
		},
		"ports": {"primary": {"port": 0}, "additional": [{"name": "metrics", "port": 0, "protocol": "http"}, {"name": "fixed", "port": 99}]},
		"health": {"type": "tcp"},
		"caddy": {"expose": true}
	}`)
	before := s.Service.clone()
	r, err := s.Resolve(vars)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, s.Service); diff != "" {
		t.Errorf("Resolve changed what it resolves:\n%s", diff)
	}
	want := s.WithDefaults()
	want.DisplayName = "a"
	want.Process.Command = "/core/bin/a-1.2"
	want.Process.Args = []string{"{not}", "{local}", "1080:1081", "}", ""}
	want.Process.Env = map[string]string{"HOME": "/home/last", "CONF": "/core/local/conf/a", "LOGS": "/core/local/logs"}
	want.Process.WorkingDir = "/core/local/data/a"
	want.Process.Ensure = []Ensure{{Type: EnsureTemplate, Template: "/specs/t/a.tmpl", Target: "/core/local/conf/a/a"}}
	want.Logging.Stdout = "/core/local/logs/a.log"
	want.Health.Endpoint = "127.0.0.1:1080"
	want.Ports.Primary.Port = 1080
	want.Ports.Additional[0].Port.Port = 1081
	want.Caddy.Routes = []Route{{Match: []string{"host(`a.localhost`)"}, Handle: []Handler{{Handler: "reverse_proxy", Upstreams: []string{"127.0.0.1:1080"}}}}}
	if diff := cmp.Diff(want, r.Service); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.File != s.File || r.Dir != "/specs" || r.Digest != s.Digest {
		t.Errorf("where it came from is lost: %q %q %q", r.File, r.Dir, r.Digest)
	}
	if got := r.Errorf("process.args[1]", "", "x").Error(); got != "/specs/a.json:6:23: process.args[1]: x" {
		t.Errorf("places are lost: %s", got)
	}
}

func TestDefaults(t *testing.T) {
	s := parse(t, "a.json", `{"id": "a", "process": {"command": "x"}, "ports": {"primary": {"port": 0}},
		"health": {"type": "http"}, "caddy": {"routes": [{"handle": [{"handler": "reverse_proxy", "health_check": {"path": "/"}}]}]}}`).WithDefaults()
	want := Service{
		ID: "a", DisplayName: "a",
		Process: Process{
			Type: TypeService, Command: "x", WorkingDir: "{shared.config.dataDir}", Replicas: 1, StopSignal: "SIGTERM",
			RestartPolicy: Restart{
				Policy: RestartOnFailure, InitialBackoff: 1e8, MaxBackoff: 30e9, Factor: 2, Budget: Budget{Restarts: 6, Window: 60e9}, ResetAfter: 10e9,
			},
		},
		Ports:   Ports{Primary: &Port{Protocol: "tcp", Host: "127.0.0.1"}},
		Logging: Logging{Provider: "shared/log", Stdout: "{shared.log.dir}/a.log", Format: "auto"},
		Health: Health{Probe: Probe{
			Type: HealthHTTP, Interval: 5e9, Timeout: 3e9, StartPeriod: 30e9, FailureThreshold: 3, SuccessThreshold: 1, Endpoint: "http://127.0.0.1:{ports.primary}/",
		}},
		Caddy: Caddy{Routes: []Route{{Handle: []Handler{{
			Handler: "reverse_proxy", Upstreams: []string{"127.0.0.1:{ports.primary}"}, HealthCheck: &HealthCheck{Path: "/", Interval: 5e9, Timeout: 2e9},
		}}}}},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again := s.WithDefaults(); !cmp.Equal(again, s) {
		t.Errorf("not idempotent: %s", cmp.Diff(s, again))
	}
}

func TestResolveErrors(t *testing.T) {
	for name, test := range map[string]struct{ spec, want string }{
		"open port": {
			`{"id": "a", "process": {"command": "x", "args": ["{ports.b}"]}, "ports": {"additional": [{"name": "b", "port": 0}]}}`,
			`a.json:1:50: process.args[0]: placeholder {ports.b}: the port has no number yet`,
		},
		"variable not set": {
			`{"id": "a", "process": {"command": "x", "env": {"A": "{env.NOT_SET}"}}}`,
			`a.json:1:54: process.env.A: placeholder {env.NOT_SET}: the variable NOT_SET is not set`,
		},
		"variable of the wrong form": {
			`{"id": "a", "process": {"command": "{env.HOME}/x", "workingDir": "x{env.HOME}"}}`,
			`a.json:1:66: process.workingDir: "x/home/last" is a relative path: want an absolute path, as in {shared.config.dir}/x.conf`,
		},
		"two at once, the default among them": {
			`{"id": "a", "process": {"command": "{env.NO}", "args": ["{env.NO}"]}}`,
			"a.json:1:36: process.command: placeholder {env.NO}: the variable NO is not set\n" +
				"a.json:1:57: process.args[0]: placeholder {env.NO}: the variable NO is not set",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, "a.json", test.spec).Resolve(vars)
			if err == nil || err.Error() != test.want {
				t.Errorf("got:  %v\nwant: %s", err, test.want)
			}
		})
	}
	t.Run("no value", func(t *testing.T) {
		_, err := parse(t, "a.json", `{"id": "a", "process": {"command": "x"}}`).Resolve(Vars{LogDir: "/log"})
		want := "a.json:1:24: process.workingDir: placeholder {shared.config.dataDir} has no value here"
		if err == nil || err.Error() != want {
			t.Errorf("got:  %v\nwant: %s", err, want)
		}
	})
}

func TestExpand(t *testing.T) {
	s := redis(t)
	out, err := s.Expand("redis.conf.tmpl", "port {ports.primary}\n# {{braces}\r\ndir {shared.config.dataDir}", vars)
	if want := "port 1080\n# {braces}\r\ndir /core/local/data/a"; err != nil || out != want {
		t.Errorf("got %q, %v", out, err)
	}
	_, err = s.Expand("redis.conf.tmpl", "ok\n{node.nam}\n{", vars)
	want := "redis.conf.tmpl:2:1: unknown placeholder {node.nam}: did you mean {node.name}? Want one of {env.NAME}, {instance}, {node.dir}, {node.name}, {ports.metrics}, " +
		"{ports.primary}, {replica}, {secret.NAME}, {service.id}, {shared.config.dataDir}, {shared.config.dir}, {shared.dep.bin}, {shared.dep.version}, {shared.log.dir}\n" +
		"redis.conf.tmpl:3:1: \"{\" is no placeholder: want a name in braces, as in {ports.primary}, or \"{{\" for a brace"
	if err == nil || err.Error() != want {
		t.Errorf("got:  %v\nwant: %s", err, want)
	}
}

func TestEventRoutes(t *testing.T) {
	s := redis(t)
	want := []events.Route{{
		Hosts: []string{"redis.internal"}, Upstreams: []string{"127.0.0.1:6379"},
		Health: &events.RouteHealth{Path: "/health", IntervalMS: 5000, TimeoutMS: 2000},
	}}
	if diff := cmp.Diff(want, s.EventRoutes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]events.Route{{Hosts: []string{"redis.internal"}}}, s.PublicRoutes()); diff != "" {
		t.Errorf("public: -want +got:\n%s", diff)
	}
	both := parse(t, "a.json", "{\"id\": \"aB_\", \"process\": {\"command\": \"x\"}, \"ports\": {\"primary\": {\"port\": 7}}, \"caddy\": {\"expose\": true, \"routes\": ["+
		"{\"match\": [\"host(`a.b`, `*.c`)\", \"path(`/x/*`,`/y*`)\"], \"handle\": [{\"handler\": \"reverse_proxy\", \"upstreams\": [\"127.0.0.1:1\"]}]}]}}")
	want = []events.Route{{Hosts: []string{"a.b", "*.c"}, Paths: []string{"/x/", "/y"}, Upstreams: []string{"127.0.0.1:1"}}}
	if diff := cmp.Diff(want, both.EventRoutes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	both.Caddy.Routes = nil
	if got := both.PublicRoutes(); len(got) != 1 || got[0].Hosts[0] != "ab.localhost" {
		t.Errorf("default route %v", got)
	}
	both.Caddy.Expose = false
	if got := both.EventRoutes(); got != nil {
		t.Errorf("not exposed, but %v", got)
	}
}

// Text without braces stays as it is, and doubled braces become single ones.
func TestExpandProperties(t *testing.T) {
	value := func(string) (string, *Error) { return "", &Error{Reason: "asked"} }
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		got, err := expand(strings.ReplaceAll(text, "{", "{{"), value)
		if err != nil || got != text {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func FuzzPlaceholders(f *testing.F) {
	for _, s := range []string{"", "{", "{{", "{a}", "{{{a}}", "}{", "{ports.primary}", "{env.X}", "x{node.name}y"} {
		f.Add(s)
	}
	s, err := Read("testdata/redis.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := s.newScope(vars)
		out, err := expand(text, c.value)
		if err != nil {
			if err.Reason == "" || errors.Is(err, nil) {
				t.Errorf("%q: an error without a reason", text)
			}
			return
		}
		if !strings.Contains(text, "{") && out != text {
			t.Errorf("%q became %q", text, out)
		}
		again, err := expand(strings.ReplaceAll(out, "{", "{{"), c.value)
		if err != nil || again != out {
			t.Errorf("%q: the result %q does not survive escaping: %q, %v", text, out, again, err)
		}
	})
}

// A port of a range that has its number is that port.
func TestResolvePortOfRange(t *testing.T) {
	s := parse(t, "a.json", `{"id": "a", "process": {"command": "x"}, "ports": {"primary": {"range": "8000-8100"}, "additional": [{"name": "m", "range": "9000-9100"}]}}`)
	v := vars
	v.Ports = map[string]int{"primary": 8001}
	r, err := s.Redacted(v)
	if err != nil {
		t.Fatal(err)
	}
	if p, m := *r.Ports.Primary, r.Ports.Additional[0]; p.Port != 8001 || p.Range != "" || m.Port.Port != 0 || m.Range != "9000-9100" {
		t.Errorf("%+v %+v", p, m)
	}
}

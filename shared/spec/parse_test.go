package spec

import (
	"bytes"
	"errors"
	"flag"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/testutil/golden"
)

var update = flag.Bool("update", false, "rewrite what is generated")

func TestParseErrors(t *testing.T) {
	golden.Errors(t, *update, "testdata/parse.txtar", func(t *testing.T, name string, data []byte) error {
		_, err := Parse(name, data)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.File != name || e.Line < 1 || e.Column < 1) {
			t.Errorf("no *Error with a place: %#v", err)
		}
		return err
	})
}

func TestParseTooLarge(t *testing.T) {
	_, err := Parse("big.json", bytes.Repeat([]byte{' '}, MaxBytes+1))
	if want := "big.json: the file has 1048577 bytes: want at most 1048576"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestColumnsCountCharacters(t *testing.T) {
	_, err := Parse("s.json", []byte("{\n  \"icon\": \"🧠é\", \"idd\": 1}"))
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || e.Column != 17 {
		t.Errorf("got %v, want line 2, column 17", err)
	}
}

// redis is the example of the schema, as it was first written down.
func redis(t *testing.T) Located {
	t.Helper()
	s, err := Read("testdata/redis.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseRedis(t *testing.T) {
	s := redis(t)
	want := Service{
		ID: "redis", DisplayName: "Redis", Description: "In-memory cache used by the demo stack.", Icon: "🧠",
		Dep: &Dep{Name: "redis", Version: "7.2.4", Source: SourceGitHubRelease, Asset: "redis-7.2.4-linux-amd64.tar.gz"},
		Process: Process{
			Command: "{shared.dep.bin}/redis-server", Args: []string{"{shared.config.dir}/redis.conf"},
			Env:        map[string]string{"REDIS_PORT": "{ports.primary}", "REDIS_DATA": "{shared.config.dataDir}"},
			WorkingDir: "{shared.config.dataDir}", RestartPolicy: Restart{Policy: RestartOnFailure},
			Ensure: []Ensure{
				{Type: EnsureTemplate, Template: "redis.conf.tmpl", Target: "{shared.config.dir}/redis.conf"},
				{Type: EnsureMkdir, Path: "{shared.config.dataDir}"},
			},
		},
		Ports: Ports{
			Primary:    &Port{Port: 6379, Protocol: "tcp"},
			Additional: []NamedPort{{Name: "metrics", Port: Port{Port: 9121, Protocol: "http"}}},
		},
		Logging: Logging{Provider: "shared/log", Stdout: "{shared.log.dir}/redis.log", Format: "json", Retention: Duration(7 * 24 * time.Hour)},
		Health: Health{Probe: Probe{
			Type: HealthHTTP, Interval: Duration(5 * time.Second), Timeout: Duration(3 * time.Second),
			Endpoint: "http://127.0.0.1:9121/health", ExpectedStatus: []int{200},
		}},
		Caddy: Caddy{Expose: true, Routes: []Route{{
			Match: []string{"host(`redis.internal`)"},
			Handle: []Handler{{
				Handler: "reverse_proxy", Upstreams: []string{"127.0.0.1:6379"},
				HealthCheck: &HealthCheck{Path: "/health", Interval: Duration(5 * time.Second), Timeout: Duration(2 * time.Second)},
			}},
		}}},
		Dependencies: []Dependency{{Service: "core.bus"}}, Profiles: []string{"default", "demo"},
	}
	if diff := cmp.Diff(want, s.Service); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if dir, _ := filepath.Abs("testdata"); s.Dir != dir {
		t.Errorf("dir %q", s.Dir)
	}
	if got, want := s.Errorf("health.expectedStatus[0]", "x", "y").Error(), "testdata/redis.json:49:24: health.expectedStatus[0]: y: want x"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := s.Errorf("process.env.NONE", "", "missing").Error(), "testdata/redis.json:18:12: process.env.NONE: missing"; got != want {
		t.Errorf("an absent field: got %s, want %s", got, want)
	}
}

// TestTagsFitTheTypes keeps reflection, tags and constants together.
func TestTagsFitTheTypes(t *testing.T) {
	constants := map[string][]string{
		"Source":        {"go-build", "system", "github-release", "http", "file", "go-install", "oci"},
		"RestartPolicy": {string(RestartAlways), string(RestartOnFailure), string(RestartNever)},
		"ProcessType":   {string(TypeService), string(TypeOneshot), string(TypeCron)},
		"Condition":     {string(Started), string(Ready), string(Completed)},
		"EnsureType":    {string(EnsureTemplate), string(EnsureMkdir), string(EnsureFile), string(EnsureCopy), string(EnsureSymlink), string(EnsureDownload)},
		"HealthType":    {string(HealthHTTP), string(HealthTCP), string(HealthExec), string(HealthGRPC), string(HealthBus), string(HealthLog), string(HealthNone)},
	}
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for _, m := range members(typ) {
			where := typ.Name() + "." + m.name
			if m.name == "" || m.doc() == "" {
				t.Errorf("%s: no JSON name or no comment", where)
			}
			if want, ok := constants[m.typ.Name()]; ok && !reflect.DeepEqual(m.enum, want) {
				t.Errorf("%s: the tag has %q, the constants are %q", where, m.enum, want)
			}
			if _, ok := shapes[m.shape]; m.shape != "" && !ok {
				t.Errorf("%s: no shape %q", where, m.shape)
			}
			if _, ok := shapes[m.keys]; m.keys != "" && !ok {
				t.Errorf("%s: no shape %q", where, m.keys)
			}
			if m.def != "" && len(m.enum) > 0 && !strings.Contains("|"+strings.Join(m.enum, "|")+"|", "|"+m.def+"|") {
				t.Errorf("%s: the default %q is not allowed", where, m.def)
			}
			look(m.typ)
		}
	}
	look(reflect.TypeFor[Service]())
	if len(seen) != 22 {
		t.Errorf("looked at %d types", len(seen))
	}
}

func TestDigestIsOfWhatIsSaid(t *testing.T) {
	a, errA := ParseLocated("a.json", []byte(`{"id": "a", "process": {"command": "x", "env": {"A": "1", "B": "2"}}, "logging": {"retention": "1d"}}`))
	b, errB := ParseLocated("b.json", []byte(`{"logging": {"retention": "24h"}, "process": {"env": {"B": "2", "\u0041": "1"}, "command": "x"}, "id": "a"}`))
	c, errC := ParseLocated("c.json", []byte(`{"id": "a", "process": {"command": "x", "env": {"A": "1", "B": "3"}}, "logging": {"retention": "1d"}}`))
	if err := errors.Join(errA, errB, errC); err != nil {
		t.Fatal(err)
	}
	if a.Digest != b.Digest || a.Digest == c.Digest || len(a.Digest) != 64 {
		t.Errorf("digests %s %s %s", a.Digest, b.Digest, c.Digest)
	}
}

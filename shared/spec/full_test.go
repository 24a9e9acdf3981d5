package spec

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// full reads the documents that have everything.
func full(t testing.TB) map[string]Located {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/full.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Located{}
	for _, f := range archive.Files {
		s, err := ParseLocated(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = s
	}
	return all
}

// What the schema has can be said: Parse and the JSON Schema take it, and so
// they do what is written from it.
func TestFullDocuments(t *testing.T) {
	schema := compileSchema(t)
	archive, err := txtar.ParseFile("testdata/full.txtar")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, f := range archive.Files {
		s := parse(t, f.Name, string(f.Data))
		if err := validate(schema, f.Data); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		visit(reflect.ValueOf(s.Service), "", func(_ reflect.Value, m field, v reflect.Value, _ string) {
			if !v.IsZero() {
				said[m.owner+"."+m.goName] = true
			}
		})
		written, err := json.Marshal(s.Service)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(schema, written); err != nil {
			t.Errorf("%s, written: %v\n%s", f.Name, err, written)
		}
		again := parse(t, f.Name, string(written))
		if diff := cmp.Diff(s.Service, again.Service); diff != "" || again.Digest != s.Digest {
			t.Errorf("%s is read as something else again:\n%s", f.Name, diff)
		}
		whole := s.WithDefaults()
		if diff := cmp.Diff(whole, whole.WithDefaults()); diff != "" {
			t.Errorf("%s: defaults are not idempotent:\n%s", f.Name, diff)
		}
	}
	for typ, list := range schemaTypes() {
		for _, m := range list {
			if !said[m.owner+"."+m.goName] {
				t.Errorf("no document has %s.%s", typ.Name(), m.name)
			}
		}
	}
}

// The short form and the object that it is short for are the same document.
func TestShortForms(t *testing.T) {
	for _, pair := range [][2]string{
		{`"process": {"command": "x", "restartPolicy": "never"}`, `"process": {"command": "x", "restartPolicy": {"policy": "never"}}`},
		{`"process": {"command": "x"}`, `"process": {"command": "x", "restartPolicy": {}}`},
		{`"process": {"command": "x"}, "dependencies": ["b"]`, `"process": {"command": "x"}, "dependencies": [{"service": "b", "condition": "ready"}]`},
		{`"process": {"command": "x", "user": "7"}`, `"process": {"command": "x", "user": 7}`},
		{`"process": {"command": "x", "stopSignal": "HUP"}`, `"process": {"command": "x", "stopSignal": "SIGHUP"}`},
		{`"process": {"command": "x", "resources": {"cpuMax": "2.50"}}`, `"process": {"command": "x", "resources": {"cpuMax": 2.5}}`},
		{`"process": {"command": "x", "limits": {"openFiles": "1K"}}`, `"process": {"command": "x", "limits": {"openFiles": 1024}}`},
	} {
		a, b := parse(t, "a.json", `{"id": "a", `+pair[0]+`}`), parse(t, "b.json", `{"id": "a", `+pair[1]+`}`)
		if a.Digest != b.Digest {
			t.Errorf("%s and %s differ:\n%s", pair[0], pair[1], cmp.Diff(a.Service, b.Service))
		}
		if diff := cmp.Diff(a.WithDefaults(), b.WithDefaults()); diff != "" {
			t.Errorf("%s and %s:\n%s", pair[0], pair[1], diff)
		}
	}
}

// Defaults that depend on a type are set for that type alone.
func TestDefaultsOfTypes(t *testing.T) {
	all := full(t)
	cron := all["cron.json"]
	cron.Process.Timezone, cron.Process.Overlap = "", ""
	if p := cron.WithDefaults().Process; p.Timezone != "UTC" || p.Overlap != "skip" {
		t.Errorf("cron: %+v", p)
	}
	if p := all["oneshot.json"].WithDefaults().Process; p.Timezone != "" || p.Overlap != "" {
		t.Errorf("oneshot: %+v", p)
	}
	h := all["cron.json"].Health
	if h.LivenessProbe().Type != HealthLog || h.ReadinessProbe().Type != HealthBus {
		t.Errorf("probes %+v", h)
	}
	s := service(t, "a", `"ports": {"primary": {"port": 7, "host": "::"}}, "health": {"type": "none", "readiness": {"type": "grpc"}, "liveness": {"type": "http"}}`).WithDefaults()
	if got := s.Health.Readiness.Endpoint + " " + s.Health.Liveness.Endpoint; got != "[::1]:{ports.primary} http://[::1]:{ports.primary}/" {
		t.Errorf("endpoints %s", got)
	}
	if got := full(t)["service.json"].WithDefaults(); got.primaryAddress() != "127.0.0.1:{ports.primary}" {
		t.Errorf("the address of a port on all interfaces: %s", got.primaryAddress())
	}
}

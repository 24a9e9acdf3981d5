package events_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
)

var update = flag.Bool("update", false, "rewrite the golden files; only ever add lines")

// TestNames pins what is stored: the type and version of each body and its
// fields. A line may be added, never changed or removed.
func TestNames(t *testing.T) {
	var lines []string
	for _, b := range events.Catalog() {
		lines = append(lines, fmt.Sprintf("%s %d", b.EventType(), b.EventVersion()))
		lines = append(lines, fields("  ", reflect.TypeOf(b))...)
	}
	for _, v := range []any{events.Envelope{}, events.LogLine{}, events.Presence{}, events.Usage{}, events.ServiceUsage{}, events.Desired{}, events.Route{}, events.RouteHealth{}, events.Port{}, events.StepStatus{}} {
		lines = append(lines, reflect.TypeOf(v).Name())
		lines = append(lines, fields("  ", reflect.TypeOf(v))...)
	}
	for _, name := range []string{
		events.StreamEvents, events.StreamCommands, events.StreamLogs, events.StreamRuns,
		events.BucketDesired, events.BucketSpecs, events.BucketSnapshots, events.BucketPresence,
		events.BucketLeases, events.BucketCerts, events.BucketRoutes, events.ObjectsArtifacts,
		events.ServiceBucket("alpha"), events.KVStream("b"), events.ObjectStream("b"), events.Durable("local", "procd"),
		events.PresenceKey("local", "procd"), events.UsageKey("local", "procd"), events.DesiredKey("local", "alpha"), events.SnapshotKey("local"),
	} {
		lines = append(lines, "name "+name)
	}
	for _, s := range []events.Subject{
		events.FactSubject("local", "procd", "alpha", "healthy"), events.EntityFacts("local", "procd", "alpha"),
		events.NodeFacts("local"), events.SourceFacts("local", "procd"), events.AllFacts,
		events.CommandSubject("local", "procd", "alpha", "stop"), events.TargetCommands("local", "procd"), events.AllCommands,
		events.LogSubject("local", "alpha", "stdout"), events.EntityLogs("local", "alpha"), events.AllLogs,
		events.RunSubject("build", "r1", "compile", "began"), events.AllRuns,
		events.KVSubject("core_desired", "local.alpha"), events.BucketSubject("core_desired"), events.Inbox("alpha"),
		events.StreamAPI("STREAM.INFO", "CORE_EVENTS"), events.AckSubject("CORE_COMMANDS", "local-procd"), events.FlowSubject("CORE_EVENTS"),
	} {
		lines = append(lines, "subject "+string(s))
	}
	got := strings.Join(lines, "\n") + "\n"
	golden := filepath.Join("testdata", "names.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("stored names changed: give a new meaning a new type or version, and add new names with -update (-want +got):\n%s", diff)
	}
}

// fields lists the JSON names of a struct with their Go types.
func fields(indent string, t reflect.Type) []string {
	var lines []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			lines = append(lines, fields(indent, f.Type)...)
			continue
		}
		if tag := f.Tag.Get("json"); tag != "-" {
			lines = append(lines, indent+tag+" "+strings.ReplaceAll(f.Type.String(), "interface {}", "any"))
		}
	}
	return lines
}

// TestCatalog sends each body, filled with random values, through the encoding.
func TestCatalog(t *testing.T) {
	seen := map[string]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	for _, zero := range events.Catalog() {
		key := fmt.Sprintf("%s.%d", zero.EventType(), zero.EventVersion())
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if !events.Reserved(zero.EventType().Aggregate()) {
			t.Errorf("%s: its aggregate is not reserved", key)
		}
		for range 20 {
			v := reflect.New(reflect.TypeOf(zero))
			fill(random, v.Elem())
			body := v.Elem().Interface().(events.Body)
			e, err := events.New(events.Header{ID: "i", Time: time.Unix(1, 2), Node: "n", Source: "s", Entity: "e", Cause: "c"}, body)
			if err != nil {
				t.Fatal(err)
			}
			b, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			back, err := events.Decode(b)
			if err != nil {
				t.Fatalf("%s: %v in %s", key, err, b)
			}
			if diff := cmp.Diff(e, back); diff != "" {
				t.Errorf("%s: the envelope changed (-sent +got):\n%s", key, diff)
			}
			got, err := events.Payload(back)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(body, got); diff != "" {
				t.Errorf("%s: the body changed (-sent +got):\n%s", key, diff)
			}
		}
	}
}

// fill sets everything in v to something that survives JSON.
func fill(r *rand.Rand, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(r.Int64N(1<<32), r.Int64N(1e9)).UTC()
		return
	case *json.RawMessage:
		*x = json.RawMessage(fmt.Sprintf(`{"n":%d}`, r.IntN(10)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(3), 4))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + r.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key)
			fill(r, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("ü<&%d", r.IntN(1000)))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 1)
	case reflect.Float64:
		v.SetFloat(r.Float64() * 1000)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1 << 40))
	case reflect.Uint64:
		v.SetUint(r.Uint64())
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	default:
		panic("no value for " + v.Type().String())
	}
}

func TestAs(t *testing.T) {
	e, err := events.New(events.Header{ID: "i", Time: time.Unix(1, 2), Node: "n", Source: "s", Entity: "e"}, events.ServiceHealthy{Instance: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := events.As[events.ServiceHealthy](e); err != nil || b.Instance != "x" {
		t.Errorf("got %+v, %v", b, err)
	}
	if _, err := events.As[events.ServiceStopped](e); err == nil || !strings.Contains(err.Error(), "type service.healthy version 1: want service.stopped version 1") {
		t.Errorf("got %v", err)
	}
	e.Data = json.RawMessage(`{"instance":7}`)
	if _, err := events.As[events.ServiceHealthy](e); err == nil || !strings.Contains(err.Error(), "malformed envelope: body of service.healthy") {
		t.Errorf("got %v", err)
	}
}

func TestDaemonsOrder(t *testing.T) {
	if got := events.Daemons(); !slices.Equal(got, []events.Source{"busd", "caddyd", "procd", "pipelined"}) {
		t.Errorf("got %v", got)
	}
}

package bus_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// keepAside runs as procd does, from where the state says.
func keepAside(t *testing.T, c *bus.Conn, p *bus.Publisher, after uint64) (stop func()) {
	t.Helper()
	return testproc.Background(t, func(ctx context.Context) error {
		return c.KeepAside(ctx, bus.KeepAside{Node: node, Facts: p, After: after})
	})
}

func TestKeepAside(t *testing.T) {
	b := start(t, "memory", events.Procd, "alpha")
	root, procd := b.connect(events.Busd), b.connect(events.Procd)
	p := b.publisher(procd, events.Procd)
	v := view(t, b.connect(events.Operator))
	const greeted = `{"id":"%s","type":"alpha.greeted","version":1,"time":"2030-01-02T03:04:05Z","node":"local","source":"alpha","entity":"alpha","data":{}}`
	for i, m := range []struct{ subject, data string }{
		{"core.event.local.alpha.alpha.greeted", fmt.Sprintf(greeted, "i1")},
		{"core.event.local.alpha.alpha.greeted", "hello\x00\xff"},
		{"core.event.local.alpha.alpha.waved", fmt.Sprintf(greeted, "i2")},
		{"core.event.local.alpha.alpha.greeted", strings.Replace(fmt.Sprintf(greeted, "i3"), "alpha.greeted", "service.levitating", 1)},
		{"core.event.local.alpha.alpha.greeted", strings.Repeat("x", events.MaxEnvelope+1)},
		{"core.event.local.alpha.dead.malformed", "not even this"},
		{"core.event.local.procd.dead.malformed", "what procd itself states is left alone"},
		{"core.event.elsewhere.alpha.alpha.greeted", "another node's"},
	} {
		if _, err := root.JS.Publish(testContext(t), m.subject, []byte(m.data)); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	stop := keepAside(t, procd, p, 0)
	wait := func(kept uint64) {
		t.Helper()
		if _, err := waitKept(t, v, kept); err != nil {
			t.Fatal(err)
		}
	}
	wait(6)
	stop()
	flush(t, p)
	keepAside(t, procd, p, v.State().Dead.Kept) // a restarted procd
	if _, err := root.JS.Publish(testContext(t), "core.event.local.alpha.alpha.x", []byte("again")); err != nil {
		t.Fatal(err)
	}
	wait(14)
	var got []string
	for r, err := range b.connect(events.Operator).Events().Read(t.Context(), 8) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			continue
		}
		b, err := events.Payload(e)
		if err != nil {
			t.Fatal(err)
		}
		var k events.Kept
		switch d := b.(type) {
		case events.DeadMalformed:
			k = d.Kept
		case events.DeadOversized:
			k = d.Kept
		case events.DeadUnknown:
			k = d.Kept
		}
		got = append(got, fmt.Sprintf("%s %d %s %d %.12q %s", e.Type, k.Seq, k.Subject, k.Size, k.Excerpt, k.Reason))
	}
	want := []string{
		`dead.malformed 2 core.event.local.alpha.alpha.greeted 7 "hello\x00\xff" invalid character 'h' at start of value`,
		`dead.malformed 3 core.event.local.alpha.alpha.waved 135 "{\"id\":\"i2\",\"" it stands on core.event.local.alpha.alpha.waved but belongs on core.event.local.alpha.alpha.greeted`,
		`dead.unknown 4 core.event.local.alpha.alpha.greeted 140 "{\"id\":\"i3\",\"" type "service.levitating" version 1 from "alpha" is not known to this build`,
		`dead.oversized 5 core.event.local.alpha.alpha.greeted 262145 "xxxxxxxxxxxx" 262145 bytes: at most 262144 are allowed`,
		`dead.malformed 6 core.event.local.alpha.dead.malformed 13 "not even thi" invalid character 'o' in literal null (expecting 'u') after offset 1`,
		`dead.malformed 14 core.event.local.alpha.alpha.x 5 "again" invalid character 'a' at start of value`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if d := v.State().Dead; d.Count != 7 {
		t.Errorf("the state counts %+v", d)
	}
}

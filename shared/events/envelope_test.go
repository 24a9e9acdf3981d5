package events_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
)

// good is an envelope from which the bad ones are made.
const good = `{"id":"i1","type":"service.healthy","version":1,"time":"2030-01-02T03:04:05Z","node":"local","source":"procd","entity":"alpha","data":{"instance":"x"}}`

func TestDecode(t *testing.T) {
	e, err := events.Decode([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if e.Subject() != "core.event.local.procd.alpha.healthy" {
		t.Errorf("its subject is %s", e.Subject())
	}
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the envelope", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct{ name, in, want string }{
		{"nothing", ``, "malformed envelope: unexpected EOF"},
		{"no JSON", `hello`, "malformed envelope: invalid character 'h'"},
		{"half", good[:40], "malformed envelope: unexpected EOF"},
		{"null", `null`, `malformed envelope: field "id": a name is empty`},
		{"an array", `[]`, "malformed envelope: it cannot be a JSON array"},
		{"two values", good + good, "malformed envelope: invalid character '{' after top-level value"},
		{"an unknown field", with(`"id"`, `"extra":1,"id"`), `malformed envelope: /extra: unknown object member name`},
		{"a field twice", with(`"id"`, `"id":"i0","id"`), `malformed envelope: duplicate object member name`},
		{"a number as id", with(`"i1"`, `7`), "malformed envelope: /id: it cannot be a JSON number"},
		{"an id with a dot", with(`"i1"`, `"i.1"`), `malformed envelope: field "id": the name "i.1" has '.'`},
		{"a wildcard node", with(`"local"`, `"*"`), `malformed envelope: field "node": the name "*" has '*'`},
		{"an empty source", with(`"procd"`, `""`), `malformed envelope: field "source": a name is empty`},
		{"a long entity", with(`"alpha"`, `"`+strings.Repeat("a", 65)+`"`), `malformed envelope: field "entity": the name "aaaaaaaaaaaaaaaa"… has 65 bytes: at most 64`},
		{"a space in the entity", with(`"alpha"`, `"al pha"`), `field "entity": the name "al pha" has ' '`},
		{"a bad cause", with(`"data"`, `"cause":">","data"`), `malformed envelope: field "cause": the name ">" has '>'`},
		{"version 0", with(`"version":1`, `"version":0`), `malformed envelope: field "version": 0: want 1 or more`},
		{"no time", with(`"time":"2030-01-02T03:04:05Z",`, ``), `malformed envelope: field "time": missing`},
		{"a bad time", with(`2030-01-02T03:04:05Z`, `yesterday`), "malformed envelope: /time: parsing time"},
		{"no data", with(`,"data":{"instance":"x"}`, ``), `malformed envelope: field "data": want an object`},
		{"data that is no object", with(`{"instance":"x"}`, `"x"`), `malformed envelope: field "data": want an object`},
		{"a type without a dot", with(`service.healthy`, `healthy`), `malformed envelope: field "type": a name is empty`},
		{"an unknown field in the body", with(`"instance"`, `"instances"`), `malformed envelope: body of service.healthy: /instances: unknown object member name`},
		{"a later version", with(`"version":1`, `"version":2`), `unknown envelope: type "service.healthy" version 2 from "procd" is not known to this build`},
		{"an unknown type", with(`service.healthy`, `service.levitating`), `unknown envelope: type "service.levitating" version 1`},
		{"another service's aggregate", with(`service.healthy`, `alpha.greeted`), `unknown envelope: type "alpha.greeted" version 1 from "procd"`},
		{"too much", with(`"x"`, `"`+strings.Repeat("x", events.MaxEnvelope)+`"`), "oversized envelope: "},
	} {
		_, err := events.Decode([]byte(c.in))
		var d *events.DecodeError
		if !errors.As(err, &d) || !strings.HasPrefix(err.Error(), c.want) && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestDecodeRecord(t *testing.T) {
	record := func(subject, data string) events.Record {
		return events.Record{Seq: 7, Subject: events.Subject(subject), Data: []byte(data)}
	}
	domain := strings.NewReplacer("service.healthy", "alpha.greeted", "procd", "alpha").Replace(good)
	request := strings.NewReplacer("service.healthy", "request.stop", `{"instance":"x"}`, `{}`).Replace(good)
	for _, c := range []struct{ name, subject, data, want string }{
		{"a fact", "core.event.local.procd.alpha.healthy", good, ""},
		{"a service's own fact", "core.event.local.alpha.alpha.greeted", domain, ""},
		{"a command on its subject", "core.command.local.procd.alpha.stop", request, ""},
		{"a fact of another", "core.event.local.launcher.alpha.healthy", good, "malformed envelope at sequence 7: it stands on core.event.local.launcher.alpha.healthy but belongs on core.event.local.procd.alpha.healthy"},
		{"too deep", "core.event.local.procd.alpha.healthy.x", good, "malformed envelope at sequence 7: it stands on"},
		{"a request among facts", "core.event.local.procd.alpha.stop", request, "malformed envelope at sequence 7: request.stop is no fact"},
		{"no envelope", "core.event.local.procd.alpha.healthy", "x", "malformed envelope at sequence 7: invalid character"},
	} {
		e, err := events.DecodeRecord(record(c.subject, c.data))
		switch {
		case c.want == "" && (err != nil || e.Seq != 7):
			t.Errorf("%s: sequence %d, %v", c.name, e.Seq, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestNew(t *testing.T) {
	h := events.Header{ID: "i", Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), Node: "n", Source: "s", Entity: "e"}
	e, err := events.New(h, events.ServiceStopped{})
	if err != nil || e.Time.Location() != time.UTC {
		t.Errorf("got %v in %v", err, e.Time.Location())
	}
	bad := h
	bad.Entity = "a.b"
	if _, err := events.New(bad, events.ServiceStopped{}); err == nil || err.Error() != `service.stopped about "a.b": field "entity": the name "a.b" has '.': use letters, digits, '-' or '_'` {
		t.Errorf("got %v", err)
	}
	if _, err := events.New(h, events.Domain{Type: "s.x", Version: 1, Data: []byte("{")}); err == nil || !strings.HasPrefix(err.Error(), "encode s.x about e: ") {
		t.Errorf("got %v", err)
	}
	big, err := events.New(h, events.ServiceStopped{Reason: strings.Repeat("x", events.MaxEnvelope)})
	if err != nil {
		t.Fatal(err)
	}
	var d *events.DecodeError
	if _, err := big.Encode(); !errors.As(err, &d) || d.Kind != events.Oversized {
		t.Errorf("got %v", err)
	}
}

func TestSubjects(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"core.event.local.procd.alpha.healthy", "fact {local procd alpha healthy}"},
		{"core.command.local.procd.alpha.stop", "command {local procd alpha stop}"},
		{"core.log.local.alpha.stdout", "log {local alpha stdout}"},
		{"core.event.local.procd.alpha", `subject "core.event.local.procd.alpha": want core.event followed by four tokens`},
		{"core.event.local.procd..x", `subject "core.event.local.procd..x": a name is empty`},
		{"core.event.local.*.alpha.x", `subject "core.event.local.*.alpha.x": the name "*" has '*'`},
		{"core.command.a.b.c.d.e", `want core.command followed by four tokens`},
		{"core.log.local.alpha", `subject "core.log.local.alpha": want core.log.<node>.<entity>.<stream>`},
		{"", `want core.event followed by four tokens`},
		{"core.eventful.a.b.c.d", `want core.event followed by four tokens`},
	} {
		var got any
		var kind string
		var err error
		switch {
		case strings.HasPrefix(c.in, "core.command"):
			kind = "command"
			got, err = events.ParseCommandSubject(c.in)
		case strings.HasPrefix(c.in, "core.log"):
			kind = "log"
			got, err = events.ParseLogSubject(c.in)
		default:
			kind = "fact"
			got, err = events.ParseFactSubject(c.in)
		}
		text := fmt.Sprintf("%s %v", kind, got)
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, c.want) {
			t.Errorf("%s: got %s, want %s", c.in, text, c.want)
		}
	}
}

// FuzzDecode: whatever arrives, decoding gives an error of its own type or an
// envelope that survives its own encoding.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(good[:60]))
	f.Add([]byte(`{"id":"i","type":"x.y","version":1,"time":"2030-01-02T03:04:05.000000001+01:00","node":"n","source":"x","entity":"e","cause":"c","data":{"a":[1,null,{"b":"\u0000"}]}}`))
	for _, b := range events.Catalog() {
		if e, err := events.New(events.Header{ID: "i", Time: time.Unix(1, 0), Node: "n", Source: "s", Entity: "e"}, b); err == nil {
			if data, err := e.Encode(); err == nil {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := events.Decode(in)
		if err != nil {
			var d *events.DecodeError
			if !errors.As(err, &d) {
				t.Fatalf("%v is no *DecodeError", err)
			}
			return
		}
		out, err := e.Encode()
		if errors.As(err, new(*events.DecodeError)) {
			return // escaping may make it longer than what came in
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := events.Decode(out)
		if err != nil {
			t.Fatalf("%v in its own encoding %s", err, out)
		}
		again, err := back.Encode()
		if err != nil || string(again) != string(out) {
			t.Fatalf("%s became %s, %v", out, again, err)
		}
		if _, err := events.ParseFactSubject(string(e.Subject())); err != nil {
			t.Fatal(err)
		}
	})
}

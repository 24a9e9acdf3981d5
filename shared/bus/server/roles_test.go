package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus/server"
	"core.internal/shared/events"
)

// client is a plain connection.
type client struct {
	nc *nats.Conn
	js jetstream.JetStream
}

func plain(t *testing.T, url, keys string, name events.Source) client {
	t.Helper()
	nc, err := nats.Connect(url, seed(t, keys, name), nats.CustomInboxPrefix(events.InboxPrefix(name)),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return client{nc, js}
}

// may reports whether the server lets the client publish on a subject.
func (c client) may(t *testing.T, subject events.Subject, data string) bool {
	t.Helper()
	return c.allowed(t, fmt.Sprintf("Publish to %q", subject), func() error { return c.nc.Publish(string(subject), []byte(data)) })
}

func (c client) mayHear(t *testing.T, subject events.Subject) bool {
	t.Helper()
	return c.allowed(t, fmt.Sprintf("Subscription to %q", subject), func() error {
		s, err := c.nc.SubscribeSync(string(subject))
		if err == nil {
			t.Cleanup(func() { s.Unsubscribe() })
		}
		return err
	})
}

// allowed does something and looks whether the server objected: its objection
// precedes the answer to the ping that a flush sends.
func (c client) allowed(t *testing.T, what string, do func() error) bool {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	if err := c.nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	err := c.nc.LastError()
	return err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(what))
}

func TestPermissions(t *testing.T) {
	all := []events.Source{"launcher", "busd", "caddyd", "procd", "pipelined", "operator", "console", "alpha", "beta"}
	c := config(t, all...)
	s := run(t, c)
	const api = "$JS.API."
	for _, p := range []struct {
		what    string
		subject events.Subject
		may     string // the sources, of all; busd may everything
	}{
		{"state a fact as alpha", "core.event.local.alpha.alpha.greeted", "alpha"},
		{"state a fact as beta", "core.event.local.beta.beta.tallied", "beta"},
		{"state a fact as procd", "core.event.local.procd.alpha.healthy", "procd"},
		{"state a fact as the launcher", "core.event.local.launcher.bus.ready", "launcher"},
		{"state a fact as caddyd", "core.event.local.caddyd.alpha.opened", "caddyd"},
		{"state a fact as busd", "core.event.local.busd.clients.refused", ""},
		{"state a fact on another node", "core.event.other.alpha.alpha.greeted", ""},
		{"state a fact of another shape", "core.event.local.alpha.x", ""},
		{"command procd", "core.command.local.procd.alpha.stop", "launcher procd operator console"},
		{"command another node", "core.command.other.procd.alpha.stop", "launcher procd operator console"},
		{"write alpha's lines", "core.log.local.alpha.stdout", "alpha launcher procd pipelined"},
		{"write a run's journal", "core.run.build.r1.compile.began", "pipelined"},
		{"beat for alpha", "$KV.core_presence.local.alpha", "alpha"},
		{"beat for procd", "$KV.core_presence.local.procd", "procd"},
		{"say what services use", "$KV.core_presence.local.procd.usage", "procd"},
		{"write alpha's bucket", "$KV.svc_alpha.k", "alpha"},
		{"write beta's bucket", "$KV.svc_beta.k", "beta"},
		{"write the console's bucket", "$KV.svc_console.k", "console"},
		{"write what is desired", "$KV.core_desired.local.alpha", "launcher procd"},
		{"write certificates", "$KV.core_certs.k", "caddyd"},
		{"write routes", "$KV.core_routes.k", "caddyd"},
		{"write snapshots", "$KV.core_snapshots.local", "launcher procd"},
		{"take a lease", "$KV.core_leases.k", "launcher procd pipelined caddyd"},
		{"store artifacts", "$O.core_artifacts.C.x", "pipelined"},
		{"look at the facts", api + "STREAM.INFO.CORE_EVENTS", "alpha beta launcher procd caddyd pipelined operator console"},
		{"read a fact", api + "STREAM.MSG.GET.CORE_EVENTS", "alpha beta launcher procd caddyd pipelined operator console"},
		{"follow the facts", api + "CONSUMER.CREATE.CORE_EVENTS.x.core.event.>", "alpha beta launcher procd caddyd pipelined operator console"},
		{"read alpha's bucket", api + "STREAM.MSG.GET.KV_svc_alpha", "alpha"},
		{"read alpha's bucket directly", api + "DIRECT.GET.KV_svc_alpha.$KV.svc_alpha.k", ""},
		{"follow alpha's bucket", api + "CONSUMER.CREATE.KV_svc_alpha.x.$KV.svc_alpha.>", "alpha"},
		{"read certificates", api + "STREAM.MSG.GET.KV_core_certs", "caddyd"},
		{"follow certificates", api + "CONSUMER.CREATE.KV_core_certs.x.$KV.core_certs.>", "caddyd"},
		{"read what is desired", api + "STREAM.MSG.GET.KV_core_desired", "launcher procd operator console"},
		{"read lines", api + "CONSUMER.CREATE.CORE_LOGS.x.core.log.>", "launcher procd pipelined operator console"},
		{"take procd's commands", api + "CONSUMER.CREATE.CORE_COMMANDS.local-procd.core.command.local.procd.>", "procd"},
		{"take procd's commands under another name", api + "CONSUMER.CREATE.CORE_COMMANDS.local-alpha.core.command.local.procd.>", ""},
		{"pull procd's commands", api + "CONSUMER.MSG.NEXT.CORE_COMMANDS.local-procd", "procd"},
		{"acknowledge procd's commands", "$JS.ACK.CORE_COMMANDS.local-procd.1.1.1.1.1", "procd"},
		{"delete the facts", api + "STREAM.DELETE.CORE_EVENTS", ""},
		{"purge the facts", api + "STREAM.PURGE.CORE_EVENTS", ""},
		{"change the facts' stream", api + "STREAM.UPDATE.CORE_EVENTS", ""},
		{"delete one fact", api + "STREAM.MSG.DELETE.CORE_EVENTS", ""},
		{"make a stream", api + "STREAM.CREATE.MINE", ""},
		{"make its own bucket anew", api + "STREAM.CREATE.KV_svc_alpha", ""},
		{"restore a stream", api + "STREAM.RESTORE.MINE", ""},
		{"list streams", api + "STREAM.LIST", ""},
		{"list consumers", api + "CONSUMER.NAMES.CORE_EVENTS", ""},
		{"make a consumer under no name", api + "CONSUMER.CREATE.CORE_EVENTS", ""},
		{"make a durable consumer of old", api + "CONSUMER.DURABLE.CREATE.CORE_EVENTS.x", ""},
		{"ask the system account", "$SYS.REQ.SERVER.PING", ""},
		{"answer alpha", "_INBOX_alpha.x", ""},
	} {
		var got []string
		for _, name := range all {
			if name == events.Busd {
				continue
			}
			c := plain(t, s.ClientURL(), c.Keys, name)
			if c.may(t, p.subject, "x") {
				got = append(got, string(name))
			}
			c.nc.Close()
		}
		want := strings.Fields(p.may)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s (%s): %v may, want %v", p.what, p.subject, got, want)
		}
	}
	for _, p := range []struct {
		subject events.Subject
		may     string
	}{
		{"_INBOX_alpha.>", "alpha"},
		{"_INBOX_procd.>", "procd"},
		{"_INBOX.>", ""},
		{"core.event.>", ""},
		{"core.command.>", ""},
		{"$KV.svc_alpha.>", ""},
		{"$SYS.>", ""},
		{">", ""},
	} {
		for _, name := range all {
			if name == events.Busd {
				continue
			}
			c := plain(t, s.ClientURL(), c.Keys, name)
			if got, want := c.mayHear(t, p.subject), slices.Contains(strings.Fields(p.may), string(name)); got != want {
				t.Errorf("%s may subscribe to %s: %v, want %v", name, p.subject, got, want)
			}
			c.nc.Close()
		}
	}
}

// TestService does what a hostile service would, through the client library.
func TestService(t *testing.T) {
	c := config(t, events.Busd, "alpha", "beta")
	s := run(t, c)
	root := connect(t, s, c, events.Busd)
	ctx := within(t)
	connect(t, s, c, "beta") // whose bucket is made now
	kv, err := root.Bucket(ctx, events.ServiceBucket("beta"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "secret", []byte("x")); err != nil {
		t.Fatal(err)
	}
	alpha := plain(t, s.ClientURL(), c.Keys, "alpha")
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	stop, _ := json.Marshal(map[string]any{"stream_name": events.StreamCommands})
	for what, do := range map[string]func() error{
		"state a fact as procd": func() error {
			_, err := alpha.js.Publish(short(), "core.event.local.procd.beta.exited", []byte("{}"))
			return err
		},
		"read beta's bucket": func() error {
			kv, err := alpha.js.KeyValue(short(), "svc_beta")
			if err == nil {
				_, err = kv.Get(short(), "secret")
			}
			return err
		},
		"delete the facts": func() error { return alpha.js.DeleteStream(short(), events.StreamEvents) },
		"mirror beta's bucket": func() error {
			_, err := alpha.js.CreateStream(short(), jetstream.StreamConfig{Name: "KV_svc_alpha2", Mirror: &jetstream.StreamSource{Name: "KV_svc_beta"}})
			return err
		},
		"send a command": func() error {
			_, err := alpha.js.Publish(short(), "core.command.local.procd.beta.stop", []byte("{}"))
			return err
		},
		"read commands": func() error {
			_, err := alpha.nc.RequestWithContext(short(), "$JS.API.CONSUMER.CREATE.CORE_COMMANDS.x.core.command.>", stop)
			return err
		},
	} {
		if err := do(); err == nil {
			t.Errorf("alpha may %s", what)
		}
	}
	stream, err := root.JS.Stream(ctx, events.StreamEvents)
	if err != nil || stream.CachedInfo().State.Msgs != 0 {
		t.Errorf("the facts: %v", err)
	}
	if stream, err = root.JS.Stream(ctx, events.StreamCommands); err != nil || stream.CachedInfo().State.Msgs != 0 {
		t.Errorf("the commands: %v", err)
	}
}

func TestIsService(t *testing.T) {
	for _, s := range append(events.Daemons(), events.Launcher, events.Operator) {
		if server.IsService(s) {
			t.Errorf("%s is a service", s)
		}
	}
	for _, s := range []events.Source{events.Console, "alpha"} {
		if !server.IsService(s) {
			t.Errorf("%s is no service", s)
		}
	}
}

package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
)

// message is one event of a stream.
type message struct{ event, data string }

// follow opens the stream and sends its messages until it ends.
func (c *console) follow(ctx context.Context, query string, encoding string) (<-chan message, *http.Response) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", c.http.URL+"/stream"+query, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	client := *c.client
	client.Timeout = 0
	answer, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	messages := make(chan message, 64)
	go func() {
		defer close(messages)
		defer answer.Body.Close()
		body := io.Reader(answer.Body)
		if encoding == "gzip" {
			z, err := gzip.NewReader(answer.Body)
			if err != nil {
				return
			}
			body = z
		}
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, 1<<20)
		var m message
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == "" && m.event != "":
				select {
				case messages <- m:
				case <-ctx.Done():
					return
				}
				m = message{}
			case strings.HasPrefix(line, "event: "):
				m.event = line[7:]
			case strings.HasPrefix(line, "data: "):
				m.data += line[6:] + "\n"
			}
		}
	}()
	return messages, answer
}

// until reads messages up to one whose data has a text.
func until(t *testing.T, messages <-chan message, text string) message {
	t.Helper()
	end := time.After(10 * time.Second)
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				t.Fatalf("the stream ended before %q came", text)
			}
			if strings.Contains(m.data, text) {
				return m
			}
		case <-end:
			t.Fatalf("%q did not come", text)
		}
	}
}

// registered is a service that procd knows.
func registered(name string) events.ServiceRegistered {
	return events.ServiceRegistered{Name: name, Description: "about " + name, Digest: "d"}
}

func TestStream(t *testing.T) {
	c := open(t)
	c.login()
	c.state("alpha", registered("Alpha"))
	for _, encoding := range []string{"identity", "gzip"} {
		t.Run(encoding, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			messages, r := c.follow(ctx, "", encoding)
			if kind := r.Header.Get("Content-Type"); r.StatusCode != 200 || kind != "text/event-stream" {
				t.Fatalf("%d %s", r.StatusCode, kind)
			}
			if got := r.Header.Get("Content-Encoding"); got != strings.Replace(encoding, "identity", "", 1) {
				t.Errorf("Content-Encoding %q", got)
			}
			first := <-messages
			if first.event != "datastar-patch-elements" {
				t.Errorf("event %q", first.event)
			}
			for _, id := range sectionIDs {
				if !strings.Contains(first.data, `id="`+id+`"`) {
					t.Errorf("the first message lacks %s", id)
				}
			}
			name := "Beta of " + encoding
			c.state("beta", registered(name))
			next := until(t, messages, name)
			if strings.Contains(next.data, `id="daemons"`) || !strings.Contains(next.data, `id="services"`) {
				t.Errorf("a change of a service sent:\n%s", next.data)
			}
			cancel()
			for range messages {
			}
		})
	}
}

func TestHostileNamesAreText(t *testing.T) {
	c := open(t)
	c.login()
	evil := "<script>alert(1)</script>'); alert('2\r\nevent: datastar-execute-script\r\ndata: script alert(3)"
	c.state("alpha", events.ServiceRegistered{Name: evil, Description: evil, Icon: "<img src=x onerror=alert(1)>", Digest: "d"},
		events.ServiceDesired{Enabled: true, Running: true},
		events.ServiceStarted{Instance: "i1", PID: 1, Ports: []events.Port{{Name: "\"><i>", Port: 1, Protocol: "http"}}},
		events.ServiceExited{Instance: "i1", PID: 1, Code: 1, LastLines: []string{evil}},
		events.ServiceExhausted{Reason: evil, LastLines: []string{evil}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages, _ := c.follow(ctx, "", "identity")
	m := until(t, messages, "alert(1)")
	_, page := c.do("GET", "/?logs=%3Cscript%3E&q=%22%3E%3Cscript%3E", "", asPage)
	if !strings.Contains(page, "alert(1)") {
		t.Error("the page does not show the service")
	}
	for where, markup := range map[string]string{"message": m.data, "page": page} {
		for _, bad := range []string{"<script>alert", "<img src=x", "<i>", "script>\""} {
			if strings.Contains(markup, bad) {
				t.Errorf("the %s has %s:\n%s", where, bad, markup)
			}
		}
		for line := range strings.Lines(markup) {
			// What Datastar compiles is the same whatever a service is called.
			const constant = `data-on-click="const b = evt.currentTarget; core.ask(b).then(yes =&gt; yes &amp;&amp; @post(b.dataset.path, core.once))"`
			if strings.Count(line, "data-on-click") != strings.Count(line, constant) {
				t.Errorf("the %s lets a name into an expression:\n%s", where, line)
			}
		}
	}
	if m.event != "datastar-patch-elements" {
		t.Errorf("a forged event: %q", m.event)
	}
}

func TestLog(t *testing.T) {
	c := open(t)
	c.login()
	procd := c.bus.Connect(events.Procd)
	write := func(stream, text string) {
		procd.PublishLine(testbus.Node, "alpha", stream, events.LogLine{Time: time.Unix(0, 0), Text: text})
		if err := procd.NC.FlushTimeout(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	write("stdout", "out one")
	write("stderr", "<b>err</b>\r\nevent: x")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, _ := c.follow(ctx, "?logs=alpha", "identity")
	errs, _ := c.follow(ctx, "?logs=alpha&stream=stderr&q=ERR", "identity")
	m := until(t, all, "&lt;b&gt;err&lt;/b&gt;")
	if m.event != "datastar-patch-elements" || strings.Contains(m.data, "\r") {
		t.Errorf("%+q", m)
	}
	if m := until(t, errs, "err&lt;/b&gt;"); strings.Contains(m.data, "out one") {
		t.Errorf("the filter let through:\n%s", m.data)
	}
	write("stdout", "out two")
	write("stderr", "err two")
	until(t, all, "out two")
	m = until(t, errs, "err two")
	if !strings.Contains(m.data, "mode append") || strings.Contains(m.data, "out two") {
		t.Errorf("%+v", m)
	}
	// A bus that was lost and is back goes on.
	c.bus.Restart()
	procd = c.bus.Connect(events.Procd)
	write("stdout", "out three")
	until(t, all, "out three")
}

func TestActions(t *testing.T) {
	c := open(t)
	c.login()
	c.state("alpha", registered("Alpha"), events.ServiceDesired{Enabled: true, Running: true}, events.ServiceStarted{Instance: "i", PID: 1}, events.ServiceHealthy{Instance: "i"})
	c.shows("Alpha")
	ctx, cancel := context.WithCancel(context.Background())
	conn := c.bus.Connect(events.Procd)
	served := make(chan error, 1)
	go func() {
		served <- conn.ServeCommands(ctx, testbus.Node, events.Procd, func(_ context.Context, cmd bus.Command) error {
			verb := cmd.Type.Verb()
			if verb == "disable" {
				c.procd.State(cmd.Entity, events.CommandRejected{Verb: verb, Reason: "it is <needed>"}, cmd.ID)
				return nil
			}
			c.procd.State(cmd.Entity, events.CommandAccepted{Verb: verb}, cmd.ID)
			c.procd.State(cmd.Entity, events.CommandCompleted{Verb: verb}, cmd.ID)
			return nil
		})
	}()
	defer func() { cancel(); <-served }()
	tests := []struct {
		path   string
		status int
		want   []string
	}{
		{"/do/restart/alpha", 200, []string{"Restart alpha: asked…", "mode append", `toast ok`, "Restart alpha: done in "}},
		{"/do/disable/alpha", 200, []string{"asked…", `toast bad`, "rejected: it is &lt;needed&gt;."}},
		{"/do/start/alpha", 200, []string{`toast bad`, "Start alpha: "}},
		{"/do/restart/nobody", 200, []string{`toast bad`, "there is no service of this name"}},
		{"/do/logs/alpha", 404, []string{"no such action"}},
		{"/do/explode/alpha", 404, []string{"no such action"}},
		{"/do/restart/a.b", 400, []string{`has '.'`}},
		{"/do/restart/", 404, nil},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			r, body := c.do("POST", tt.path, "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") })
			if r.StatusCode != tt.status {
				t.Errorf("status %d, want %d", r.StatusCode, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("lacks %q:\n%s", want, body)
				}
			}
		})
	}
}

// TestDrain: a stream that the server ends is cut off, so that its client opens
// it again; one that its session outlasts ends well.
func TestDrain(t *testing.T) {
	c := open(t)
	c.login()
	r, err := http.NewRequestWithContext(t.Context(), "GET", c.http.URL+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	c.server.Drain()
	if _, err := io.Copy(io.Discard, answer.Body); err == nil {
		t.Error("the stream ended well, and its client would not open it again")
	}
}

func TestALostBusIsShown(t *testing.T) {
	c := open(t)
	c.login()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages, _ := c.follow(ctx, "", "identity")
	until(t, messages, `id="alerts"`)
	c.server.Connected(false)
	c.server.Connected(false)
	until(t, messages, "The console has lost the bus")
	c.server.Connected(true)
	if m := until(t, messages, `id="alerts"`); strings.Contains(m.data, "lost the bus") {
		t.Errorf("the bus is back and the page says:\n%s", m.data)
	}
}

func FuzzLineMarkup(f *testing.F) {
	f.Add(`{"level":"INFO","msg":"m","a":[1,{"b":"<"}]}`, []byte(nil), "stdout")
	f.Add("plain <b>\r\n", []byte("\xff"), `"><i>`)
	f.Fuzz(func(t *testing.T, text string, raw []byte, stream string) {
		var b strings.Builder
		lineMarkup(&b, "l1-0", events.LogAddress{Stream: stream}, events.LogLine{Text: text, Raw: raw})
		if n := strings.Count(b.String(), "<"); n != strings.Count(b.String(), ">") || n < 6 || n > 10 {
			t.Errorf("a line became markup of its own: %q", b.String())
		}
	})
}

func TestManyPagesOneRendering(t *testing.T) {
	c := open(t)
	c.login()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pages []<-chan message
	for range 20 {
		m, _ := c.follow(ctx, "", "gzip")
		until(t, m, `id="services"`)
		pages = append(pages, m)
	}
	before := c.server.live.Load().board.rev
	for i := range 50 {
		c.state("alpha", registered(fmt.Sprint("Alpha ", i)))
	}
	for _, m := range pages {
		until(t, m, "Alpha 49")
	}
	b := c.server.live.Load().board
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.rev - before; n > 25 {
		t.Errorf("rendered %d times for 50 quick changes and 20 pages", n)
	}
}

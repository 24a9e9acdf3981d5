package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

const secret Token = "a-token-of-more-than-16-characters"

// console is a served console on a real bus, and a browser's side of it.
type console struct {
	t      *testing.T
	bus    *testbus.Bus
	server *Server
	http   *httptest.Server
	client *http.Client
	procd  *bus.Publisher
}

// open serves a console whose view has caught up.
func open(t *testing.T) *console {
	t.Helper()
	c := &console{t: t, bus: testbus.Start(t, events.Console, events.Procd)}
	var err error
	if c.server, err = New(Options{Node: testbus.Node, Token: secret, Hosts: []string{"console.example.org"}}); err != nil {
		t.Fatal(err)
	}
	c.http = httptest.NewServer(c.server)
	jar, _ := cookiejar.New(nil)
	c.client = &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	conn := c.bus.Connect(events.Console)
	view := bus.NewView(conn, testbus.Node)
	c.procd = bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Procd})
	supervisor := c.bus.Connect(events.Procd)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	go func() { ended <- c.procd.Run(ctx, supervisor) }()
	go func() { ended <- view.Run(ctx) }()
	go func() {
		if _, err := view.Wait(ctx, func(state.State) bool { return true }); err != nil {
			ended <- err
			return
		}
		ended <- c.server.Run(ctx, view, conn)
	}()
	t.Cleanup(func() {
		c.server.Drain()
		c.client.CloseIdleConnections()
		c.http.Close()
		cancel()
		for range 3 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		}
	})
	start, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	if err := c.server.Started(start); err != nil {
		t.Fatal(err)
	}
	return c
}

// state publishes what procd says of services.
func (c *console) state(e events.Entity, bodies ...events.Body) {
	c.t.Helper()
	for _, b := range bodies {
		c.procd.State(e, b, "")
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	if err := c.procd.Flush(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// shows waits until the page has a text: it follows the facts.
func (c *console) shows(text string) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if _, body := c.do("GET", "/", "", nil); strings.Contains(body, text) {
			return
		}
	}
	c.t.Fatalf("the page never shows %q", text)
}

// do sends a request; change may be nil.
func (c *console) do(method, path, body string, change func(*http.Request)) (*http.Response, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.http.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if change != nil {
		change(r)
	}
	answer, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer, string(b)
}

func (c *console) login() {
	c.t.Helper()
	if r, body := c.do("GET", "/login?token="+url.QueryEscape(string(secret)), "", nil); r.StatusCode != 303 || r.Header.Get("Location") != "/" {
		c.t.Fatalf("login: %d %s", r.StatusCode, body)
	}
}

func asPage(r *http.Request) { r.Header.Set("Accept", "text/html") }

func TestNobodyGetsInWithoutTheToken(t *testing.T) {
	c := open(t)
	tests := []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		want                     string // in Location or body
	}{
		{"page", "GET", "/", "", asPage, 303, "/login"},
		{"page asked for by a script", "GET", "/", "", nil, 401, "log in first"},
		{"stream", "GET", "/stream", "", asPage, 401, ""},
		{"stream by its client", "GET", "/stream?datastar={}", "", func(r *http.Request) { r.Header.Set("Datastar-Request", "true") }, 401, "log in first"},
		{"action", "POST", "/do/restart/alpha", "{}", nil, 401, "log in first"},
		{"action by GET", "GET", "/do/restart/alpha", "", nil, 401, ""},
		{"unknown path", "GET", "/nowhere", "", nil, 401, ""},
		{"wrong token", "GET", "/login?token=wrong", "", asPage, 401, "not this node&#39;s token"},
		{"wrong token in the form", "POST", "/login", "token=wrong", asPage, 401, "not this node&#39;s token"},
		{"no token in the form", "POST", "/login", "token=", asPage, 401, "not this node&#39;s token"},
		{"forged cookie", "GET", "/", "", func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "9999999999.abc.def"})
		}, 401, "log in first"},
		{"login form", "GET", "/login", "", asPage, 200, `action="/login"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, body := c.do(tt.method, tt.path, tt.body, tt.change)
			if tt.name == "stream" {
				tt.status = 303 // a person who opens it is shown the login
			}
			if r.StatusCode != tt.status || !strings.Contains(r.Header.Get("Location")+body, tt.want) {
				t.Errorf("%d %s %.200s: want %d %s", r.StatusCode, r.Header.Get("Location"), body, tt.status, tt.want)
			}
			if len(r.Cookies()) > 0 {
				t.Errorf("it was given a cookie: %v", r.Cookies())
			}
		})
	}
}

func TestLogin(t *testing.T) {
	c := open(t)
	r, _ := c.do("POST", "/login", "token="+url.QueryEscape(string(secret)), nil)
	cookie := r.Header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %s: lacks %s", cookie, want)
		}
	}
	if r.StatusCode != 303 || strings.Contains(cookie, string(secret)) {
		t.Errorf("%d %s", r.StatusCode, cookie)
	}
	page, body := c.do("GET", "/", "", asPage)
	if page.StatusCode != 200 || strings.Contains(body, string(secret)) {
		t.Errorf("the page: %d %.300s", page.StatusCode, body)
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self' 'unsafe-eval'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %s", policy)
	}
	for _, foreign := range []string{"http://", "https://", "//cdn", "<script>", "style=", "onclick="} {
		if i := strings.Index(strings.ReplaceAll(body, c.http.URL, ""), foreign); i >= 0 {
			t.Errorf("the page has %s: …%.80s", foreign, body[i:])
		}
	}
	if r, _ := c.do("GET", "/login", "", asPage); r.StatusCode != 303 {
		t.Errorf("the login page for somebody who is logged in: %d", r.StatusCode)
	}
	c.do("POST", "/logout", "", nil)
	if r, _ := c.do("GET", "/", "", asPage); r.StatusCode != 303 {
		t.Errorf("after the logout: %d", r.StatusCode)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	c := open(t)
	var last *http.Response
	for range loginTries + 1 {
		last, _ = c.do("GET", "/login?token=guess", "", nil)
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("after %d guesses: %d", loginTries+1, last.StatusCode)
	}
	from := func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") }
	if r, _ := c.do("GET", "/login?token=guess", "", from); r.StatusCode != 401 {
		t.Errorf("another client: %d", r.StatusCode)
	}
}

func TestForeignRequests(t *testing.T) {
	c := open(t)
	c.login()
	host := func(h string) func(*http.Request) {
		return func(r *http.Request) {
			r.Host = h
			r.AddCookie(c.server.sessions.cookie(r, c.server.sessions.mint()))
		}
	}
	site := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name, method, path string
		change             func(*http.Request)
		status             int
	}{
		{"own host", "GET", "/", host("console.localhost:8080"), 200},
		{"localhost", "GET", "/", host("LOCALHOST:1"), 200},
		{"IPv6", "GET", "/", host("[::1]:8080"), 200},
		{"configured host", "GET", "/", host("console.example.org"), 200},
		{"rebound host", "GET", "/", host("evil.example:8080"), 421},
		{"rebound host, login", "GET", "/login", host("evil.example"), 421},
		{"rebound host, stream", "GET", "/stream", host("evil.example"), 421},
		{"host that ends like ours", "GET", "/", host("notlocalhost"), 421},
		{"no host", "GET", "/", host("."), 421},
		{"cross-site by fetch metadata", "POST", "/do/restart/alpha", site("Sec-Fetch-Site", "cross-site"), 403},
		{"same-site, another origin", "POST", "/do/restart/alpha", site("Sec-Fetch-Site", "same-site"), 403},
		{"cross-site by origin", "POST", "/do/restart/alpha", site("Origin", "http://evil.example"), 403},
		{"origin null", "POST", "/do/restart/alpha", site("Origin", "null"), 403},
		{"cross-site logout", "POST", "/logout", site("Origin", "http://evil.example"), 403},
		{"cross-site login", "POST", "/login", site("Sec-Fetch-Site", "cross-site"), 403},
		{"GET of an action", "GET", "/do/restart/alpha", nil, 405},
		{"PUT of an action", "PUT", "/do/restart/alpha", nil, 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, body := c.do(tt.method, tt.path, "", tt.change)
			if r.StatusCode != tt.status {
				t.Errorf("%d %.200s: want %d", r.StatusCode, body, tt.status)
			}
			if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("headers %v", r.Header)
			}
		})
	}
}

func TestBeforeTheBus(t *testing.T) {
	s, err := New(Options{Node: "local", Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	r.AddCookie(s.sessions.cookie(r, s.sessions.mint()))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 503 || !strings.Contains(w.Body.String(), "waits for the bus") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := New(Options{Token: "short"}); err == nil {
		t.Error("a short token was accepted")
	}
}

func TestClientIsTheOnePublished(t *testing.T) {
	b, err := os.ReadFile("assets/datastar.js")
	if err != nil {
		t.Fatal(err)
	}
	const want = "fc47d2b4cfea9e6cdc93d287a0db38b2e894d813aa1e892e11de1be526620372" // npm: @starfederation/datastar 1.0.0-beta.11, dist/datastar.js
	sum := sha256.Sum256(b)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("datastar.js has sha256 %s, want %s", got, want)
	}
	licence, err := os.ReadFile("assets/datastar.LICENSE")
	if err != nil || !bytes.Contains(licence, []byte("MIT License")) {
		t.Errorf("its licence: %v", err)
	}
}

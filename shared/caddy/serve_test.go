package caddy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestAnswers(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s for=%s host=%s proto=%s", r.Host, r.URL, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto"))
	})
	api := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the api") })
	wild := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the wildcard") })
	t.Setenv("EDGE_SECRET", "told")
	hostile := closed("hostile", "exit status 1: {env.EDGE_SECRET} <script>")
	hostile.Name = `</h1><script>alert(1)</script>{env.EDGE_SECRET}\{env.EDGE_SECRET}`
	shared := opened("api", api)
	shared.Routes[0].Hosts, shared.Routes[0].Paths = []string{"alpha.localhost"}, []string{"/api/"}
	any := opened("wild", wild)
	any.Routes[0].Hosts = []string{"*.localhost"}
	refused := apply(t,
		opened("alpha", alpha), shared, closed("beta", "starts again soon: exit status 1"), opened("dead", free(t)), hostile, any,
		site.Site{Service: "refused", State: state.RouteRefused, Reason: "no host"},
	)
	if len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, c := range []struct {
		name, host, path, accept string
		status                   int
		want, not                string
	}{
		{"open", "alpha.localhost", "/a%2Fb?q={x}", "", 200, "alpha.localhost /a%2Fb?q={x} for=127.0.0.1 host=alpha.localhost proto=http", ""},
		{"host with port and capitals", "Alpha.LOCALHOST:8080", "/", "", 200, "Alpha.LOCALHOST:8080 /", ""},
		{"path of another service", "alpha.localhost", "/api/x", "", 200, "the api", ""},
		{"only the prefix", "alpha.localhost", "/apis", "", 200, "alpha.localhost /apis", ""},
		{"wildcard", "other.localhost", "/", "", 200, "the wildcard", ""},
		{"health", "alpha.localhost", site.HealthPath, "", 200, `{"status":"ok","node":"test"}`, ""},
		{"health of no host", "x", site.HealthPath, html, 200, `{"status":"ok","node":"test"}`, ""},
		{"own paths are never forwarded", "alpha.localhost", "/.core/x", "", 404, "Nothing here", ""},
		{"nor in disguise", "alpha.localhost", "/a/..%2f.core/x", "", 404, "Nothing here", ""},
		{"closed", "beta.localhost", "/x", "", 503, "beta is not available\n", "<"},
		{"closed says why", "beta.localhost", "/x", "application/json", 503, "State: starts again soon: exit status 1\n", "<"},
		{"closed for people", "beta.localhost", "/x", html, 503, "<code>starts again soon: exit status 1</code>", ""},
		{"dead", "dead.localhost", "/", "", 502, "dead does not answer\n", "<"},
		{"dead for people", "dead.localhost", "/", html, 502, "<h1>dead does not answer</h1>", ""},
		{"unknown", "nobody.test", "/", "", 404, "Nothing here\n", "<"},
		{"unknown for people", "nobody.test", "/", html, 404, "<h1>Nothing here</h1>", "refresh"},
		{"hostile", "hostile.localhost", "/", "", 503, `{env.EDGE_SECRET}\{env.EDGE_SECRET} is not available`, "told"},
		{"hostile for people", "hostile.localhost", "/", html, 503, `&lt;/h1&gt;&lt;script&gt;alert(1)&lt;/script&gt;{env.EDGE_SECRET}\{env.EDGE_SECRET}`, "<script"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header []string
			if c.accept != "" {
				header = []string{"Accept", c.accept}
			}
			answer, body := ask(t, c.host, c.path, header...)
			if answer.StatusCode != c.status || !strings.Contains(body, c.want) || c.not != "" && strings.Contains(body, c.not) || strings.Contains(body, "told") {
				t.Errorf("%s, want %d with %q and without %q:\n%s", answer.Status, c.status, c.want, c.not, body)
			}
			if retry := answer.Header.Get("Retry-After"); (retry != "") != (c.status >= 500) {
				t.Errorf("Retry-After is %q at status %d", retry, c.status)
			}
			if kind := answer.Header.Get("Content-Type"); c.status >= 400 && strings.HasPrefix(kind, "text/html") != (c.accept == html) {
				t.Errorf("Content-Type is %q for Accept %q", kind, c.accept)
			}
		})
	}
}

// A page comes as what is wanted: HTML only where it is named and acceptable.
func TestPagesAreNegotiated(t *testing.T) {
	apply(t)
	for accept, html := range map[string]bool{
		"text/html":                true,
		"Text/HTML; charset=utf-8": true,
		"text/html,application/xhtml+xml;q=0.9,image/avif,*/*;q=0.8": true,
		"text/html;q=0.5,text/plain;q=0.4":                           true,
		"text/html, text/plain":                                      true,
		"text/*;q=0.9,text/plain;q=0.1,text/html;q=0.2":              true,
		"":                                     false,
		"*/*":                                  false,
		"text/*":                               false,
		"text/html;q=0":                        false,
		"text/html; q=0.000, */*":              false,
		"text/html;q=0.5,text/plain":           false,
		"text/html;q=0.3,text/*;q=0.4":         false,
		"text/html;q=0.3,*/*;q=0.4":            false,
		"text/htmlish":                         false,
		"application/json,;q=,text/html;q=x,/": false,
	} {
		answer, body := ask(t, "nobody.test", "/", "Accept", accept)
		kind := answer.Header.Get("Content-Type")
		if strings.HasPrefix(kind, "text/html;") != html || strings.HasPrefix(kind, "text/plain;") == html || strings.Contains(body, "<h1>") != html {
			t.Errorf("Accept %q: %s\n%s", accept, kind, body)
		}
	}
}

func TestForwardedHeadersAreNotTheClients(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Host"])
	})
	apply(t, opened("alpha", alpha))
	_, body := ask(t, "alpha.localhost", "/", "X-Forwarded-For", "10.0.0.1", "X-Forwarded-Host", "bank.test")
	if want := "[127.0.0.1] [alpha.localhost]"; body != want {
		t.Errorf("the upstream saw %s, want %s", body, want)
	}
}

// One of two upstreams is gone: nobody notices.
func TestBalancing(t *testing.T) {
	alive := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "alive") })
	apply(t, opened("alpha", free(t), alive))
	for range 10 {
		if answer, body := ask(t, "alpha.localhost", "/"); answer.StatusCode != 200 {
			t.Errorf("%s %s", answer.Status, body)
		}
	}
}

func TestActiveHealthCheck(t *testing.T) {
	checked := make(chan struct{}, 100)
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			w.WriteHeader(500)
			select {
			case checked <- struct{}{}:
			default:
			}
		}
	})
	s := opened("alpha", alpha)
	s.Routes[0].Health = &events.RouteHealth{Path: "/ready", IntervalMS: 20, TimeoutMS: 1000}
	apply(t, s)
	<-checked
	<-checked // the first has been taken into account
	if answer, body := ask(t, "alpha.localhost", "/"); answer.StatusCode != 503 || !strings.Contains(body, "alpha does not answer") {
		t.Errorf("%s %s", answer.Status, body)
	}
}

// What passes our own checks and not Caddy's harms only its own service.
func TestOnlyTheCulpritIsRefused(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
	bad := opened("bad", alpha)
	bad.Routes[0].Health = &events.RouteHealth{Path: "/%zz"}
	worse := closed("worse", "stopped")
	worse.Routes[0].Hosts = []string{"twice.localhost", "twice.localhost"}
	for range 2 {
		refused := apply(t, opened("alpha", alpha), bad, worse, closed("zeta", "stopped"))
		if len(refused) != 2 || !strings.Contains(refused["bad"], "%zz") || !strings.Contains(refused["worse"], "twice.localhost") {
			t.Errorf("refused: %v", refused)
		}
		for host, want := range map[string]int{"alpha": 200, "zeta": 503, "bad": 404, "twice": 404} {
			if answer, body := ask(t, host+".localhost", "/"); answer.StatusCode != want {
				t.Errorf("%s: %s, want %d: %s", host, answer.Status, want, body)
			}
		}
	}
	bad.Routes[0].Health.Path = "/ok" // the same pointer: what was refused is remembered by value
	good := opened("bad", alpha)
	if refused := apply(t, opened("alpha", alpha), good); len(refused) > 0 {
		t.Errorf("still refused: %v", refused)
	}
	if answer, _ := ask(t, "bad.localhost", "/"); answer.StatusCode != 200 {
		t.Error(answer.Status)
	}
}

// Whatever a page says, Caddy finds no placeholder in it.
func FuzzLiteral(f *testing.F) {
	f.Add("{env.HOME}")
	f.Add(`\{env.HOME\}`)
	f.Add(`\\{{file./etc/hostname}}\`)
	f.Add("}{")
	repl := caddy.NewReplacer()
	f.Fuzz(func(t *testing.T, text string) {
		if got := repl.ReplaceKnown(site.Literal(text), ""); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}

func TestNothingIsWrittenAtHome(t *testing.T) {
	if _, err := os.Stat(caddy.ConfigAutosavePath); err == nil {
		t.Skip("another Caddy of this user saves its configuration")
	}
	apply(t, closed("alpha", "stopped"))
	if _, err := os.Stat(caddy.ConfigAutosavePath); err == nil {
		t.Errorf("the configuration was saved to %s", caddy.ConfigAutosavePath)
	}
}

package browser

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// port is where a service listens on this machine.
func (n *node) port(t *testing.T, service events.Entity) int {
	t.Helper()
	for _, p := range n.State().Services[service].Ports {
		if p.Name == "primary" {
			return p.Port
		}
	}
	t.Fatalf("%s has no primary port", service)
	return 0
}

// A log grows on the page as it is written, and its filter stands in the URL.
func logs(t *testing.T, n *node) {
	p := n.page(t, "/")
	p.do("choose the log of alpha", chromedp.Click(chromedp.CSS(`#service-alpha a[aria-label="Logs of Alpha"]`)))
	p.until("the log of alpha", `location.search === "?logs=alpha" && document.querySelector("#lines li[id^=l1-]")`)
	p.live()
	const lines = `[...document.querySelectorAll("#lines li")].map(l => l.textContent)`
	// alpha says when it stops and when it is ready.
	last := value[string](p, lines+`.at(-1)`)
	count := value[int](p, lines+`.length`)
	if o := n.Command("alpha", events.RestartService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("restart alpha: %+v", o)
	}
	pid := n.Wait("alpha is healthy again", func(s state.State) bool { return healthy(s, "alpha") }).Services["alpha"].PID
	p.until("new lines", fmt.Sprintf(`%s.length > %d && %s.at(-1) !== %q`, lines, count, lines, last))
	p.until("the table of the same time", fmt.Sprintf(`document.querySelector("#service-alpha").textContent.includes("%d")`, pid))
	if !p.sameDocument() {
		t.Error("the page was loaded again")
	}
	p.picture("logs")

	p.do("filter", chromedp.SendKeys(chromedp.CSS("input[name=q]"), "no line says this"), chromedp.Click(chromedp.CSS("form.filter button")))
	p.until("that no line matches", `location.search.includes("q=no+line") && document.querySelector("#l-none")?.textContent === "No lines yet that match."`)
}

// A page says that it is cut off, and when the console is back it shows what
// changed meanwhile, without having been loaded again.
func disconnected(t *testing.T, n *node) {
	p := n.page(t, "/")
	// Nobody answers for a while, or answers that it starts; the client reports
	// each try.
	p.expect("net::ERR_", "status of 503", `"network error"`, `"Failed to fetch"`, `"Datastar failed to reach `)
	before := n.State().Services["console"]
	const banner = `document.querySelector("#banner").textContent`
	if o := n.Command("console", events.StopService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("stop the console: %+v", o)
	}
	p.until("that it is disconnected", banner+` === "Disconnected from the node. Reconnecting…" && document.documentElement.classList.contains("lost")`)
	p.picture("disconnected")
	old := p.rows()
	if o := n.Command("alpha", events.RestartService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("restart alpha: %+v", o)
	}
	n.Wait("alpha is healthy again", func(s state.State) bool { return healthy(s, "alpha") })
	if now := p.rows(); now["alpha"] != old["alpha"] {
		t.Errorf("a page that is cut off shows %+v, before %+v", now["alpha"], old["alpha"])
	}
	n.Command("console", events.StartService{})
	after := n.Wait("the console is healthy again", func(s state.State) bool { return healthy(s, "console") }).Services["console"]
	if after.Instance == before.Instance || n.port(t, "console") != before.Ports[0].Port {
		t.Fatalf("the console is %+v, was %+v: want a new instance on the same port", after, before)
	}
	p.until("that it is connected", banner+` === "" && !document.documentElement.classList.contains("lost")`)
	if all := n.same(t, p, "after the reconnect"); all["alpha"].PID == old["alpha"].PID {
		t.Errorf("alpha still has pid %s", all["alpha"].PID)
	}

	// A restart is over before the page has tried again: it needs no banner, and
	// the page goes on.
	if o := n.Command("console", events.RestartService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("restart the console: %+v", o)
	}
	n.Wait("the console is healthy again", func(s state.State) bool {
		return healthy(s, "console") && s.Services["console"].Instance != after.Instance
	})
	n.same(t, p, "after the console's restart")
	p.until("that it is connected", banner+` === ""`)
	if !p.sameDocument() {
		t.Error("the page was loaded again")
	}
	n.session(t, p)
}

// session checks that a person is still logged in after the console began anew.
func (n *node) session(t *testing.T, p *tab) {
	t.Helper()
	if code := value[int](p, `fetch("/", {redirect: "manual"}).then(r => r.status)`); code != http.StatusOK {
		t.Errorf("the session ended with the console: status %d", code)
	}
}

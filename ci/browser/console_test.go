package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"core.internal/ci/harness"
	"core.internal/shared/cli"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

// node is a node whose console a browser looks at.
type node struct {
	*harness.Node
	browser context.Context
}

// TestConsole looks at one node, one part after another: each leaves the node as
// it found it, with every service healthy.
func TestConsole(t *testing.T) {
	t.Parallel()
	browser := launch(t) // first, for without one there is nothing to bring a node up for
	n := &node{harness.Start(t, harness.Options{Profiles: []string{"default"}}), browser}
	for _, part := range []struct {
		name string
		run  func(*testing.T, *node)
	}{
		{"login", login},
		{"link", link},
		{"parity", parity},
		{"restart", restart},
		{"disable", disable},
		{"logs", logs},
		{"disconnected", disconnected},
		{"access", access},
		{"keyboard", keyboard},
		{"narrow", narrow},
	} {
		n.Wait("every service is healthy", func(s state.State) bool {
			return healthy(s, "alpha") && healthy(s, "beta") && healthy(s, "console")
		})
		if !t.Run(part.name, func(t *testing.T) { part.run(t, n) }) {
			return // what it left is not what the next one begins with
		}
	}
}

func healthy(s state.State, id events.Entity) bool {
	v := s.Services[id]
	return v.State == state.ServiceRunning && v.Health == state.HealthHealthy
}

// token is what lets a person in: the one in the link that `launcher up` prints.
func (n *node) token(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(n.Summary().ConsoleURL)
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("the link %q has no token: %v", n.Summary().ConsoleURL, err)
	}
	return u.Query().Get("token")
}

// tab opens a tab in a session that has not logged in.
func (n *node) tab(t *testing.T) *tab {
	t.Helper()
	return open(t, n.browser, n.Summary().ConsoleURL)
}

// page opens a page of somebody who has logged in, and waits until it is live.
func (n *node) page(t *testing.T, path string) *tab {
	t.Helper()
	p := n.tab(t)
	p.visit("/login?token=" + url.QueryEscape(n.token(t)))
	if path != "/" {
		p.visit(path)
	}
	p.live()
	return p
}

// live waits until the page's stream has said something: core.js has then turned
// the times into ages, and a mark that a reload would lose is set.
func (p *tab) live() {
	p.t.Helper()
	p.until("it is up to date", `document.querySelector("#services tbody time.age") && !document.querySelector("#services tbody time.age").textContent.includes("UTC")`)
	p.do("mark the page", chromedp.Evaluate[chromedp.Void](`globalThis.sameDocument = true`))
}

// sameDocument reports whether the page has not been loaded again since live.
func (p *tab) sameDocument() bool { return value[bool](p, `globalThis.sameDocument === true`) }

func login(t *testing.T, n *node) {
	p := n.tab(t)
	p.expect("status of 401") // the answer to the wrong token
	p.visit("/")
	p.until("the login form", `location.pathname === "/login" && document.activeElement.name === "token"`)
	p.picture("login")
	enter := func(token string) {
		p.do("log in", chromedp.SendKeys(chromedp.CSS("input[name=token]"), token), chromedp.Click(chromedp.CSS("form button")))
	}
	enter("not-the-token-of-this-node")
	p.until("that the token is wrong", `document.querySelector("[role=alert]")?.textContent === "That is not this node's token."`)
	p.picture("login-refused")
	if where := value[string](p, `location.pathname`); where != "/login" {
		t.Errorf("a wrong token leads to %s", where)
	}
	enter(n.token(t))
	p.until("the page of the node", `location.pathname === "/" && document.querySelector("#services")`)
	p.live()
}

func link(t *testing.T, n *node) {
	p := n.tab(t)
	p.do("open the link", chromedp.Navigate(n.Summary().ConsoleURL))
	p.live()
	if where := value[string](p, `location.pathname + location.search`); where != "/" {
		t.Errorf("the link leads to %s: the token is to leave the address", where)
	}
	p.picture("main")
	p.do("log out", chromedp.Click(chromedp.CSS("header.bar form button")))
	p.until("the login form", `location.pathname === "/login"`)
	p.visit("/")
	p.until("the login form again", `location.pathname === "/login"`)
}

// row is what a person reads of one service.
type row struct {
	State, Health, Wanted, PID, Restarts string
}

// rows reads the table of services by its own headings.
func (p *tab) rows() map[string]row {
	p.t.Helper()
	return value[map[string]row](p, `(() => {
		const heads = [...document.querySelectorAll("#services thead th")].map(h => h.textContent);
		return Object.fromEntries([...document.querySelectorAll("#services tbody tr")].map(tr => {
			const cell = head => tr.cells[heads.indexOf(head)];
			return [tr.id.replace("service-", ""), {
				State: cell("State").querySelector(".pill").textContent,
				Health: cell("State").querySelector(".pill + span")?.textContent ?? "",
				Wanted: cell("Wanted").textContent, PID: cell("PID").textContent, Restarts: cell("Restarts").textContent,
			}];
		}));
	})()`)
}

// status is what `launcher status --output json` prints.
func (n *node) status(t *testing.T) state.Status {
	t.Helper()
	var out, errs bytes.Buffer
	args := []string{"status", "--output", "json", "--root", n.Config.Root, "--node", string(n.Config.Name)}
	if err := cli.Exec(t.Context(), args, nil, nil, &out, &errs, cli.App{Name: "launcher"}); err != nil {
		t.Fatalf("status: %v\n%s", err, &errs)
	}
	var d state.Status
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatalf("status printed %q: %v", &out, err)
	}
	return d
}

// expected is the table as the status has it, but that the page has no word for
// the health of what does not run, and says what is done about the unknown one of
// what does.
func expected(d state.Status) map[string]row {
	rows := map[string]row{}
	for _, s := range d.Services {
		r := row{State: string(s.State), Health: string(s.Health), Wanted: s.Desired, Restarts: strconv.Itoa(s.Restarts)}
		switch {
		case s.Health == state.HealthUnknown && s.State == state.ServiceRunning:
			r.Health = "checking"
		case s.Health == state.HealthUnknown:
			r.Health = ""
		}
		if s.PID > 0 {
			r.PID = strconv.Itoa(s.PID)
		}
		rows[string(s.ID)] = r
	}
	return rows
}

// same waits until the table and the status say the same; what says when.
func (n *node) same(t *testing.T, p *tab, what string) map[string]row {
	t.Helper()
	var table, status map[string]row
	defer func() {
		if t.Failed() {
			t.Logf("%s:\ntable  %v\nstatus %v", what, table, status)
		}
	}()
	until(t, "table and status agree "+what, func() bool {
		table, status = p.rows(), expected(n.status(t))
		return len(table) > 0 && fmt.Sprint(table) == fmt.Sprint(status)
	})
	return table
}

func parity(t *testing.T, n *node) {
	p := n.page(t, "/")
	all := n.same(t, p, "at rest")
	for _, id := range []string{"alpha", "beta", "console"} {
		if all[id].State != "running" || all[id].Health != "healthy" {
			t.Errorf("the table has %v, want %s running and healthy", all, id)
		}
	}
	if o := n.Command("beta", events.StopService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("stop beta: %+v", o)
	}
	if all := n.same(t, p, "with beta stopped"); all["beta"].PID != "" || all["beta"].State != "stopped" {
		t.Errorf("a stopped service is shown as %+v", all["beta"])
	}
	n.Command("beta", events.StartService{})
	n.Wait("beta is healthy again", func(s state.State) bool { return healthy(s, "beta") })
	n.same(t, p, "with beta back")
	if !p.sameDocument() {
		t.Error("the page was loaded again")
	}
}

// button is the selector of an action's button in the row of a service.
func button(a ui.ActionID, service events.Entity) string {
	return "#" + string(a) + "-" + string(service)
}

// click presses an action's button as a person does: where the registry has a
// question, the page asks it, nothing happens on Cancel, and something on Yes.
func (n *node) click(p *tab, id ui.ActionID, service events.Entity) {
	p.t.Helper()
	action, _ := ui.Find(id)
	press := func() {
		p.t.Helper()
		p.do(fmt.Sprintf("click %s of %s", id, service), chromedp.Click(chromedp.CSS(button(id, service))))
	}
	if action.Confirm == "" {
		press()
		return
	}
	for _, answer := range []string{"no", "yes"} {
		press()
		p.until("the question of "+string(id), `document.querySelector("#ask").open && document.querySelector("#ask-text").textContent.endsWith(`+strconv.Quote(action.Confirm)+`)`)
		if answer == "no" {
			p.picture("question")
		}
		before := p.posts()
		p.do("answer "+answer, chromedp.Click(chromedp.CSS("#ask button[value="+answer+"]")))
		p.until("no question", `!document.querySelector("#ask").open`)
		if now := p.posts(); answer == "no" && len(now) != len(before) {
			p.t.Errorf("%s of %s was sent although the question was answered with no: %v", id, service, now)
		}
	}
}

// caused returns the facts that a command caused.
func caused(facts []events.Envelope, command events.ID) []events.Type {
	var types []events.Type
	for _, e := range facts {
		if e.Cause == command {
			types = append(types, e.Type)
		}
	}
	return types
}

func restart(t *testing.T, n *node) {
	p := n.page(t, "/")
	before := n.State().Services["alpha"]
	n.click(p, ui.ActionRestart, "alpha")
	p.until("alpha has a new pid", fmt.Sprintf(`(() => {
		const heads = [...document.querySelectorAll("#services thead th")].map(h => h.textContent);
		const pid = document.querySelector("#service-alpha").cells[heads.indexOf("PID")].textContent;
		return pid !== "" && pid !== "%d";
	})()`, before.PID))
	p.until("that it is done", `[...document.querySelectorAll(".toast.ok")].some(t => t.textContent.startsWith("Restart alpha: done in "))`)
	after := n.Wait("alpha is healthy again", func(s state.State) bool {
		return healthy(s, "alpha") && s.Services["alpha"].Instance != before.Instance
	}).Services["alpha"]
	if got := n.same(t, p, "after the restart")["alpha"].PID; got != strconv.Itoa(after.PID) {
		t.Errorf("the table has pid %s, alpha has %d", got, after.PID)
	}
	if !p.sameDocument() {
		t.Error("the page was loaded again")
	}
	command := after.Desired.Restart
	outcome, ok := n.State().Outcome(command)
	if !ok || outcome.State != state.OutcomeCompleted || outcome.Entity != "alpha" {
		t.Errorf("the outcome of the command %q is %+v", command, outcome)
	}
	if types := caused(n.Facts(), command); !slices.Contains(types, (events.ServiceDesired{}).EventType()) || !slices.Contains(types, (events.CommandCompleted{}).EventType()) {
		t.Errorf("the command %s caused %v, want that alpha is desired anew and that it was carried out", command, types)
	}
}

// offered is what the row of a service offers, by action: "" where it can be
// done, else why not.
func (p *tab) offered(service events.Entity) map[string]string {
	p.t.Helper()
	return value[map[string]string](p, fmt.Sprintf(`Object.fromEntries([...document.querySelectorAll("#service-%s button")].map(b =>
		[b.id.replace("-%s", ""), b.ariaDisabled === "true" ? b.title : ""]))`, service, service))
}

// offers waits until a row offers what the registry says of the node's state.
func (n *node) offers(t *testing.T, p *tab, service events.Entity) map[string]string {
	t.Helper()
	var page, registry map[string]string
	defer func() {
		if t.Failed() {
			t.Logf("the page offers %v, the registry %v", page, registry)
		}
	}()
	until(t, "page and registry offer the same", func() bool {
		registry = map[string]string{}
		for _, a := range ui.For(ui.KindService) {
			if _, reason := a.Enabled(n.State(), service); a.Sends() {
				registry[string(a.ID)] = reason
			}
		}
		page = p.offered(service)
		return fmt.Sprint(page) == fmt.Sprint(registry)
	})
	return page
}

func disable(t *testing.T, n *node) {
	p := n.page(t, "/")
	if got := n.offers(t, p, "beta"); got["enable"] != "already enabled" || got["disable"] != "" || got["start"] != "already started" {
		t.Errorf("an enabled service offers %v", got)
	}
	n.click(p, ui.ActionDisable, "beta")
	p.until("beta is disabled", `document.querySelector("#service-beta").innerText.includes("disabled") && document.querySelector("#service-beta .pill").textContent === "stopped"`)
	n.same(t, p, "with beta disabled")
	if got := n.offers(t, p, "beta"); got["disable"] != "already disabled" || got["enable"] != "" || got["stop"] != "already stopped" || got["restart"] == "" {
		t.Errorf("a disabled service offers %v", got)
	}
	p.picture("disabled")

	sent := p.posts()
	p.do("click what cannot be done", chromedp.Click(chromedp.CSS(button(ui.ActionStop, "beta"))))
	p.until("why not", `[...document.querySelectorAll(".toast")].some(t => t.textContent === "Stop Beta: already stopped.")`)
	if now := p.posts(); len(now) != len(sent) || value[bool](p, `document.querySelector("#ask").open`) {
		t.Errorf("a button that is off did something: sent %v, before %v", now, sent)
	}

	n.click(p, ui.ActionEnable, "beta")
	n.Wait("beta is healthy again", func(s state.State) bool { return healthy(s, "beta") })
	if all := n.same(t, p, "with beta enabled"); all["beta"].Wanted != "enabled" {
		t.Errorf("an enabled service is shown as %+v", all["beta"])
	}
	if got := n.offers(t, p, "beta"); got["enable"] != "already enabled" {
		t.Errorf("a service enabled again offers %v", got)
	}
	if !p.sameDocument() {
		t.Error("the page was loaded again")
	}
}

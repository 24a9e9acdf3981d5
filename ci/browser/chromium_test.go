package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait for a page: long enough for a loaded machine.
const patience = time.Minute

// launch starts a browser that reaches nothing but this machine, and ends it
// with the test. The context is that of the browser; tabs are made from it.
func launch(t *testing.T) context.Context {
	t.Helper()
	program := find(t)
	dir := t.TempDir()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		// What it keeps outside its profile is the test's too.
		chromedp.Env("HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.WindowSize(1280, 900),
	}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions", "disable-default-apps",
		"disable-breakpad", "disable-dev-shm-usage", "metrics-recording-only", "hide-scrollbars",
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		closing, done := context.WithTimeout(browser, patience)
		defer done()
		if err := chromedp.Cancel(closing); err != nil {
			t.Errorf("end the browser: %v", err)
		}
		cancel()
		end()
		until(t, "the browser's processes are gone", func() bool { return len(processes(dir)) == 0 })
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return browser
}

// find names the machine's browser, or skips the test.
func find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	t.Skip("no browser on this machine: install Chromium (on Debian `apt-get install chromium`), then `go test -count=1 ./ci/browser`")
	return ""
}

// processes lists the command lines that name a directory.
func processes(dir string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var all []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), dir) {
			all = append(all, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return all
}

// until asks for something that becomes true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// tab is a page in a browser session of its own, with nothing stored.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base *url.URL // of the console

	mu      sync.Mutex
	hosts   map[string]string // guarded by mu: host → first URL asked for
	trouble []string          // guarded by mu: what the browser's console shows
	allowed []string          // guarded by mu: parts of what may be there
	sent    []string          // guarded by mu: paths of the requests that change something
}

// open opens a tab. When the test ends the tab has asked nobody but the console
// for anything, and the browser's console is empty but for what was expected.
func open(t *testing.T, browser context.Context, console string) *tab {
	t.Helper()
	base, err := url.Parse(console)
	if err != nil || base.Host == "" {
		t.Fatalf("the console's address is %q: %v", console, err)
	}
	p := &tab{t: t, base: base, hosts: map[string]string{}}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.note))
	p.ctx = ctx
	t.Cleanup(func() {
		defer cancel()
		p.check()
	})
	p.do("open a tab", chromedp.EmulateViewport(1280, 900))
	return p
}

// note keeps what a page asks for and what it complains about.
func (p *tab) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil {
			p.hosts[e.Request.URL] = e.Request.URL
		} else if _, ok := p.hosts[u.Host]; !ok {
			p.hosts[u.Host] = e.Request.URL
		}
		if u, err := url.Parse(e.Request.URL); err == nil && e.Request.Method == "POST" {
			p.sent = append(p.sent, u.Path)
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.trouble = append(p.trouble, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var text []string
			for _, a := range e.Args {
				text = append(text, string(a.Value)+a.Description)
			}
			p.trouble = append(p.trouble, fmt.Sprintf("console.%s: %s", e.Type, strings.Join(text, " ")))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.trouble = append(p.trouble, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	}
}

// posts are the paths of the requests that the page has sent to change something.
func (p *tab) posts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// expect allows complaints that have one of the texts: a test that provokes them
// says so.
func (p *tab) expect(texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, texts...)
}

func (p *tab) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for host, first := range p.hosts {
		if host != p.base.Host {
			p.t.Errorf("the page asked another host than %s: %s", p.base.Host, first)
		}
	}
	if len(p.hosts) == 0 {
		p.t.Error("no request was seen: the check of hosts saw nothing")
	}
	for _, text := range p.trouble {
		if !slices.ContainsFunc(p.allowed, func(part string) bool { return strings.Contains(text, part) }) {
			p.t.Errorf("the browser's console has %s", text)
		}
	}
}

// do carries steps out in this tab.
func (p *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := p.within()
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.text())
	}
}

// within bounds a step. The first one starts the tab, which lives as long as the
// context it is given: that one has no bound.
func (p *tab) within() (context.Context, context.CancelFunc) {
	if c := chromedp.FromContext(p.ctx); c.Target == nil {
		return p.ctx, func() {}
	}
	return context.WithTimeout(p.ctx, patience)
}

// visit goes to a path of the console and waits until it has loaded.
func (p *tab) visit(path string) {
	p.t.Helper()
	p.do("visit "+path, chromedp.Navigate(p.base.Scheme+"://"+p.base.Host+path))
}

// until waits for an expression to hold on the page, across navigations; what
// says it in words.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	last := ""
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := p.within()
	defer cancel()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if holds {
			return
		}
		if err != nil && ctx.Err() == nil {
			last = err.Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("the page never shows: %s\n%s\n%s\n%s", what, expression, last, p.text())
		}
	}
}

// value evaluates an expression, which may be a promise, on the page.
func value[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := p.within()
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %.200s: %v\n%s", expression, err, p.text())
	}
	return v
}

// text is what the page says, for a message.
func (p *tab) text() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body?.innerText"))
	if err != nil {
		return fmt.Sprintf("(the page cannot be read: %v)", err)
	}
	return text
}

// picture leaves a screenshot where CORE_SCREENSHOTS names a directory.
func (p *tab) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("CORE_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := p.within()
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Errorf("picture of %s: %v", name, err)
	}
}

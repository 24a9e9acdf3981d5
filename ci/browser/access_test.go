package browser

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"core.internal/shared/state"
)

// axe-core 4.14.1 as its npm package has it (dist/axe.min.js), MPL-2.0.
const (
	axeFile = "testdata/axe.min.js"
	axeSum  = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
)

// violation is a rule of axe that a page breaks.
type violation struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Where  []string `json:"where"`
}

// audit runs axe on the page as it is.
func (p *tab) audit(what string) {
	p.t.Helper()
	source, err := os.ReadFile(axeFile)
	if err != nil {
		p.t.Fatal(err)
	}
	if sum := sha256.Sum256(source); hex.EncodeToString(sum[:]) != axeSum {
		p.t.Fatalf("%s has sha256 %x, want %s", axeFile, sum, axeSum)
	}
	p.do("load axe", chromedp.Evaluate[chromedp.Void](string(source)))
	found := value[struct {
		Passes     int         `json:"passes"`
		Violations []violation `json:"violations"`
	}](p, `axe.run(document, {preload: false}).then(r => ({passes: r.passes.length, violations: r.violations.map(v =>
		({id: v.id, impact: v.impact, help: v.help, where: v.nodes.map(n => n.html + " " + n.failureSummary)}))}))`)
	if found.Passes == 0 {
		p.t.Errorf("%s: axe checked nothing", what)
	}
	for _, v := range found.Violations {
		report := p.t.Logf
		if v.Impact == "serious" || v.Impact == "critical" {
			report = p.t.Errorf
		}
		report("%s: %s (%s): %s\n%q", what, v.ID, v.Impact, v.Help, v.Where)
	}
}

// scheme makes the browser prefer light or dark.
func (p *tab) scheme(name string) {
	p.t.Helper()
	p.do("prefer "+name, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	}))
}

// access audits the login and the main page, in light and in dark.
func access(t *testing.T, n *node) {
	for _, scheme := range []string{"light", "dark"} {
		p := n.tab(t)
		p.scheme(scheme)
		p.visit("/login")
		p.audit("login, " + scheme)
		p.visit("/login?token=" + n.token(t))
		p.visit("/?logs=alpha")
		p.live()
		p.until("lines", `document.querySelector("#lines li[id^=l1-]")`)
		p.audit("main, " + scheme)
		p.picture("main-" + scheme)
	}
}

// focusable is what a person can get to with the keyboard, by a name that tells
// one from another.
const (
	nameOf    = `(e => e.id || e.getAttribute("aria-label") || e.getAttribute("name") || e.textContent.trim())`
	focusable = `[...document.querySelectorAll("button, a[href], input, select")].filter(e => e.checkVisibility() && !e.closest("dialog")).map(` + nameOf + `)`
)

// keyboard walks through the page with Tab alone and presses Enter on every
// button, and then restarts beta without a mouse.
func keyboard(t *testing.T, n *node) {
	p := n.page(t, "/")
	want := value[[]string](p, focusable)
	buttons := value[[]string](p, `[...document.querySelectorAll("button")].filter(e => e.checkVisibility()).map(`+nameOf+`)`)
	if len(buttons) < 15 {
		t.Fatalf("the page has the buttons %q: five for each of three services, at least", buttons)
	}
	p.do("note clicks and keep them from doing anything", chromedp.Evaluate[chromedp.Void](`
		globalThis.pressed = [];
		globalThis.noting = e => { e.preventDefault(); e.stopImmediatePropagation(); pressed.push(`+nameOf+`(e.target)); };
		document.addEventListener("click", noting, true)`))
	var reached []string
	for range 2 * len(want) {
		p.do("press Tab", chromedp.KeyEvent(kb.Tab))
		name := value[string](p, `document.activeElement === document.body ? "" : `+nameOf+`(document.activeElement)`)
		if slices.Contains(reached, name) {
			break // once around
		}
		reached = append(reached, name)
		if slices.Contains(buttons, name) {
			if !value[bool](p, `(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0)(getComputedStyle(document.activeElement))`) {
				t.Errorf("%s has the focus and does not show it", name)
			}
			p.do("press Enter", chromedp.KeyEvent(kb.Enter))
		}
	}
	for _, name := range want {
		if !slices.Contains(reached, name) {
			t.Errorf("Tab does not reach %q: it reaches %q", name, reached)
		}
	}
	if pressed := value[[]string](p, `pressed`); fmt.Sprint(pressed) != fmt.Sprint(buttons) {
		t.Errorf("Enter activated\n%q, want\n%q", pressed, buttons)
	}
	p.do("let clicks through", chromedp.Evaluate[chromedp.Void](`document.removeEventListener("click", noting, true)`))

	before := n.State().Services["beta"].Instance
	p.do("press Enter on Restart of beta", chromedp.Focus(chromedp.CSS("#restart-beta")), chromedp.KeyEvent(kb.Enter))
	p.until("the question", `document.querySelector("#ask").open && document.querySelector("#ask").contains(document.activeElement)`)
	if value[string](p, `document.activeElement.value`) != "no" {
		t.Errorf("the question is asked with %q in focus, want what does no harm", value[string](p, `document.activeElement.textContent`))
	}
	p.do("answer yes", chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	n.Wait("beta is restarted", func(s state.State) bool { return healthy(s, "beta") && s.Services["beta"].Instance != before })
	n.same(t, p, "after the restart")
	if focus := value[string](p, `document.activeElement.id`); focus != "restart-beta" {
		t.Errorf("after the answer the focus is on %q, want the button that asked", focus)
	}
	p.do("ask again", chromedp.KeyEvent(kb.Enter))
	p.until("the question", `document.querySelector("#ask").open`)
	p.do("press Escape", chromedp.KeyEvent(kb.Escape))
	p.until("no question", `!document.querySelector("#ask").open`)
	if got := p.posts(); fmt.Sprint(got) != "[/do/restart/beta]" {
		t.Errorf("the page sent %v, want one restart", got)
	}
}

// narrow shows the pages on a telephone: nothing stands out to the side.
func narrow(t *testing.T, n *node) {
	const overflow = `(() => {
		const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
		return wide <= 0 ? [] : [wide + "px", ...[...document.querySelectorAll("body *")]
			.filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.tagName + "." + e.className)];
	})()`
	check := func(p *tab, what string) {
		t.Helper()
		if out := value[[]string](p, overflow); len(out) > 0 {
			t.Errorf("%s scrolls sideways: %q", what, out)
		}
	}
	p := n.tab(t)
	p.do("be a telephone", chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateScale(2)))
	p.visit("/login")
	check(p, "the login")
	p.picture("narrow-login")
	p.visit("/login?token=" + n.token(t))
	p.visit("/?logs=alpha")
	p.live()
	p.until("lines", `document.querySelector("#lines li[id^=l1-]")`)
	check(p, "the page")
	p.audit("narrow")
	p.picture("narrow")
	for _, service := range []string{"alpha", "beta", "console"} {
		if !value[bool](p, fmt.Sprintf(`(r => r.left >= 0 && r.right <= innerWidth && r.width > 0)(document.querySelector("#restart-%s").getBoundingClientRect())`, service)) {
			t.Errorf("the button that restarts %s is not on the screen", service)
		}
	}
}

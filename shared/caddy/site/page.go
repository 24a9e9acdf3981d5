package site

import (
	"html"
	"net/http"
	"strconv"
	"strings"
)

// page is a short answer of the edge itself.
type page struct {
	Status int
	Title  string
	Text   string
	Retry  bool // it may go well a little later
}

// answer returns the routes that give the page, as HTML to who asks for HTML.
func answer(p page) []object {
	respond := func(kind, body string) []object {
		headers := object{"Content-Type": []string{kind + "; charset=utf-8"}, "Cache-Control": []string{"no-store"}}
		if p.Retry {
			headers["Retry-After"] = []string{"1"}
		}
		return []object{{"handler": "static_response", "status_code": p.Status, "headers": headers, "body": body}}
	}
	return []object{
		{"match": []object{{"header": object{"Accept": []string{"*text/html*"}}}}, "handle": respond("text/html", p.html()), "terminal": true},
		{"handle": respond("text/plain", p.plain()), "terminal": true},
	}
}

// plain is the page as text. Braces would be placeholders to Caddy.
func (p page) plain() string {
	return strings.NewReplacer("{", "(", "}", ")", "\n", " ", "\r", " ").Replace(p.Title+": "+p.Text) + "\n"
}

func (p page) html() string {
	safe := func(s string) string {
		return strings.NewReplacer("{", "&#123;", "}", "&#125;").Replace(html.EscapeString(s))
	}
	refresh := ""
	if p.Retry {
		refresh = `<meta http-equiv="refresh" content="3">`
	}
	// Style sheets have braces too: the backslash keeps Caddy's hands off them.
	css := strings.ReplaceAll(style, "{", `\{`)
	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
		refresh + `<title>` + safe(p.Title) + `</title><style>` + css + `</style></head><body><main><p class="status">` +
		strconv.Itoa(p.Status) + " " + http.StatusText(p.Status) + `</p><h1>` + safe(p.Title) + `</h1><p>` + safe(p.Text) + `</p></main></body></html>` + "\n"
}

const style = `:root{color-scheme:light dark}` +
	`body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.5 system-ui,sans-serif;` +
	`background:light-dark(#f6f7f9,#15171a);color:light-dark(#1d2127,#e6e8eb)}` +
	`main{max-width:32rem;margin:2rem;padding:2rem 2.5rem;border-radius:12px;` +
	`background:light-dark(#fff,#1e2125);box-shadow:0 1px 3px rgba(0,0,0,.18)}` +
	`h1{margin:.25rem 0 .5rem;font-size:1.5rem}p{margin:0}.status{font-size:.875rem;opacity:.7}`

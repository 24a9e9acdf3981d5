package ui

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"sync"
	"text/tabwriter"
	"unicode"

	"core.internal/shared/ui/web/page"

	"core.internal/services/beta/process"
)

const body = `{{define "body"}}
<header class="bar"><span class="brand"><img src="{{asset "icon.svg"}}" alt=""><h1>beta</h1></span><span class="muted small">tallies what alpha states</span></header>
<main>
<section class="card" aria-label="Figures">
<dl class="figures">
<div><dt>Greetings</dt><dd>{{.Data.Total}}</dd></div>
<div><dt>Names</dt><dd>{{len .Data.Names}}</dd></div>
{{if not .Data.Series.IsZero}}<div><dt>Since</dt><dd><time datetime="{{.Data.Series.UTC.Format "2006-01-02T15:04:05Z07:00"}}">{{.Data.Series.UTC.Format "2 Jan, 15:04"}}</time></dd></div>{{end}}
</dl>
</section>
<section class="card" aria-labelledby="names">
<header><h2 id="names">Who was greeted</h2></header>
{{with .Data.Sorted}}<div class="scroll"><table>
<thead><tr><th scope="col">Name</th><th scope="col" class="right">Greetings</th></tr></thead>
<tbody>{{range .}}<tr><th scope="row">{{.Name}}</th><td class="right num">{{.Count}}</td></tr>
{{end}}</tbody></table></div>{{else}}<p class="empty">No facts from alpha yet. Greet somebody there: <code>alpha greet Ada</code></p>{{end}}
</section>
</main>{{end}}`

// parsed is the page; made when the first browser asks, not when beta starts.
var parsed = sync.OnceValues(func() (*template.Template, error) {
	files, err := files()
	if err != nil {
		return nil, err
	}
	return page.Parse(files, nil, body)
})

var files = sync.OnceValues(func() (*page.Files, error) { return page.NewFiles("/assets/", page.Assets()) })

// Handler answers GET / with the tally, and what its page needs below /assets/.
func Handler(counts func() process.Counts) http.Handler {
	return page.Secure(page.Policy{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			f, err := files()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			f.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Vary", "Accept")
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			Text(w, counts())
			return
		}
		t, err := parsed()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		// An error here is the browser's going away.
		_ = page.Write(w, t, http.StatusOK, page.View{Title: "beta · tally", Data: counts()})
	}))
}

// Text writes the tally as a table.
func Text(w io.Writer, c process.Counts) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "NAME\tGREETINGS\n")
	for _, g := range c.Sorted() {
		fmt.Fprintf(t, "%s\t%d\n", printable(g.Name), g.Count)
	}
	fmt.Fprintf(t, "\t\nTotal\t%d\n", c.Total())
	return t.Flush()
}

// printable is a name that does nothing to a terminal: what alpha let through is
// not beta's to trust.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}

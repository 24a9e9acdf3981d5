package web

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui"
	"core.internal/shared/ui/web/page"
)

// functions are what templates may call.
var functions = template.FuncMap{
	"streamAttrs": streamAttrs,
	"post":        post,
	"offers":      offers,
	"ago":         ago,
	"short":       short,
	"code":        code,
	"raw":         func(rendered string) template.HTML { return template.HTML(rendered) },
}

// post makes a button do what is offered.
func post(o ui.Offer, name string) template.HTMLAttr {
	question := ""
	if o.Confirm != "" {
		question = name + ": " + o.Confirm
	}
	return postAttrs(o.Path, question, o.Label)
}

// offered is what can be done to one thing.
type offered struct {
	Entity, Name string
	Offers       []ui.Offer
}

func offers(e events.Entity, name string, list []ui.Offer) offered {
	return offered{string(e), name, list}
}

// ago is a time as an element whose text core.js turns into how long ago it was
// and keeps turning. The text here is always the same, so that an unchanged row
// is rendered as the same bytes.
func ago(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	utc := t.UTC()
	return template.HTML(fmt.Sprintf(`<time class="age" datetime="%s">%s</time>`, utc.Format(time.RFC3339Nano), utc.Format("15:04:05 UTC")))
}

// short is an address as it is read.
func short(address string) string {
	_, rest, found := strings.Cut(address, "://")
	if !found {
		rest = address
	}
	return strings.TrimSuffix(rest, "/")
}

// code marks what stands between backticks up as code.
func code(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if part = html.EscapeString(part); i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

// parts of the page, each with its own template and id: the head first.
var sectionIDs = []string{"head", "alerts", "stages", "services", "daemons", "runs"}

// render makes the parts of a page from the node's state.
func (s *Server) render(st state.State) ([]section, error) {
	options := ui.Options{Now: s.o.Now()}
	if u := s.used.Load(); u != nil {
		options.Usage = *u
	}
	p := ui.Build(st, options)
	if s.cut.Load() {
		p.Alerts = append([]ui.Alert{{
			Tone: ui.Warn, Title: "The console has lost the bus",
			Text: "What is shown here may be old until it is back; it reconnects by itself.",
		}}, p.Alerts...)
	}
	sections := make([]section, len(sectionIDs))
	for i, id := range sectionIDs {
		var b strings.Builder
		if err := s.index.ExecuteTemplate(&b, id, p); err != nil {
			return nil, fmt.Errorf("render %s of node %s: %w", id, st.Node, err)
		}
		sections[i] = section{id: id, html: b.String()}
	}
	return sections, nil
}

// index is what the page has around its parts.
type index struct {
	Head, Main, Pair string
	Filter           shownFilter
	Entities         []string
}

// shownFilter is a [filter] as the form shows it.
type shownFilter struct{ Entity, Stream, Text string }

// serveIndex answers with the whole page as it is now.
func (s *Server) serveIndex(w http.ResponseWriter, r *http.Request) {
	n, ok := s.node(w)
	if !ok {
		return
	}
	sections, _, err := n.board.frame()
	if err != nil {
		s.log.Error("the page cannot be rendered", "error", err)
		http.Error(w, "this page could not be rendered", http.StatusInternalServerError)
		return
	}
	var data index
	for _, part := range sections {
		switch part.id {
		case "head":
			data.Head = part.html
		case "daemons", "runs": // side by side where there is room
			data.Pair += part.html
		default:
			data.Main += part.html
		}
	}
	st := n.view.State()
	for _, v := range state.Sorted(st.Services) {
		data.Entities = append(data.Entities, string(v.ID))
	}
	for _, v := range state.Sorted(st.Daemons) {
		data.Entities = append(data.Entities, string(v.ID))
	}
	if f, ok := wanted(r); ok {
		data.Filter = shownFilter{string(f.entity), f.stream, f.text}
		data.Entities = with(data.Entities, string(f.entity))
	}
	if err := page.Write(w, s.index, http.StatusOK, page.View{Title: "Core · " + string(s.o.Node), Data: data}); err != nil {
		s.log.Debug("answer with the page", "error", err)
	}
}

// with adds a name that is not in a list, as that of a run in a link.
func with(list []string, name string) []string {
	for _, have := range list {
		if have == name {
			return list
		}
	}
	return append(list, name)
}

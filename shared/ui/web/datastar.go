package web

import (
	"html"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/starfederation/datastar-go/datastar"
)

// This file and assets/core.js are all that knows how Datastar is spelled: the
// client shipped is 1.0.0-beta.11, the newest that a package registry has.

// streamAttrs makes an element the holder of the page's event stream: it is
// opened with the page's own query when the page has loaded, and again whenever
// core.js asks for it.
func streamAttrs() template.HTMLAttr {
	const open = `@get('/stream' + location.search, core.stream())`
	return attr("id", "stream") + attr("data-on-load", open) + attr("data-on-reopen", open)
}

// postAttrs makes a button send a POST, after its question was confirmed if it
// has one. Expressions are compiled, so they are constant: data stands in
// attributes beside them.
func postAttrs(path, question, label string) template.HTMLAttr {
	const post = `const b = evt.currentTarget; core.ask(b).then(yes => yes && @post(b.dataset.path, core.once))`
	attrs := attr("data-on-click", post) + attr("data-path", path)
	if question != "" {
		attrs += attr("data-question", question) + attr("data-label", label)
	}
	return attrs
}

func attr(name, value string) template.HTMLAttr {
	return template.HTMLAttr(" " + name + `="` + html.EscapeString(value) + `"`)
}

// Bounds of a stream: how often it says something, how long one message may
// take to be taken, and when the client tries again after a loss.
const (
	heartbeat  = 10 * time.Second
	slowClient = 10 * time.Second
	retryAfter = 250 * time.Millisecond
)

// heartbeatEvent is noted by core.js and by nothing else.
const heartbeatEvent datastar.EventType = "datastar-heartbeat"

// stream writes patches to one client. It is used by one goroutine.
type stream struct {
	sse *datastar.ServerSentEventGenerator
	rc  *http.ResponseController
}

func newStream(w http.ResponseWriter, r *http.Request) *stream {
	rc := http.NewResponseController(w)
	// A proxy in between is told not to hold messages back.
	w.Header().Set("X-Accel-Buffering", "no")
	s := &stream{rc: rc}
	s.deadline()
	s.sse = datastar.NewSSE(w, r)
	return s
}

// deadline gives up on a client that does not take what it is sent.
func (s *stream) deadline() {
	// A writer without deadlines, as in a test, simply has none.
	_ = s.rc.SetWriteDeadline(time.Now().Add(slowClient))
}

// newlines replaces what a client would take for the end of a line: a bare
// carriage return in a log line could otherwise forge a line of the stream.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// patch replaces the elements that have the ids of the given markup.
func (s *stream) patch(markup string) error {
	s.deadline()
	return s.sse.PatchElements(newlines.Replace(markup), datastar.WithRetryDuration(retryAfter))
}

// add appends markup to the element that a selector names.
func (s *stream) add(selector, markup string) error {
	s.deadline()
	return s.sse.PatchElements(newlines.Replace(markup), datastar.WithSelector(selector), datastar.WithMode(datastar.ElementPatchModeAppend))
}

// remove takes away what a selector names.
func (s *stream) remove(selector string) error {
	s.deadline()
	return s.sse.PatchElements("", datastar.WithSelector(selector), datastar.WithMode(datastar.ElementPatchModeRemove))
}

// beat tells the client that the stream lives.
func (s *stream) beat() error {
	s.deadline()
	return s.sse.Send(heartbeatEvent, nil)
}

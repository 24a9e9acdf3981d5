package web

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

// outcomeWait is how long a page waits for what became of a request.
const outcomeWait = 30 * time.Second

// serveAction sends what a button asks for as a command, and tells the page what
// became of it: at once that it was sent, then its outcome.
func (s *Server) serveAction(w http.ResponseWriter, r *http.Request) {
	n, ok := s.node(w)
	if !ok {
		return
	}
	action, ok := ui.Find(ui.ActionID(r.PathValue("action")))
	if !ok || !action.Sends() {
		http.Error(w, "there is no such action", http.StatusNotFound)
		return
	}
	entity := events.Entity(r.PathValue("entity"))
	if err := events.CheckToken(string(entity)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), outcomeWait)
	defer cancel()
	go func() { // ends with this request
		select {
		case <-s.draining:
			cancel()
		case <-ctx.Done():
		}
	}()
	t := toaster{stream: newStream(w, r), id: "toast-" + string(bus.NewID())}
	what := action.Label + " " + string(entity)
	if ok, reason := action.Enabled(n.view.State(), entity); !ok {
		t.show("bad", what+": "+reason+".")
		return
	}
	t.show("", what+": asked…")
	tone, text := s.carryOut(ctx, n, action, entity)
	t.show(tone, what+": "+text+".")
}

// carryOut sends a request and says how it ended.
func (s *Server) carryOut(ctx context.Context, n *node, action ui.Action, entity events.Entity) (tone, text string) {
	to, body := action.Request(ui.Target{Node: s.o.Node, Entity: entity, Run: ui.RunName(string(entity), bus.NewID())})
	began := s.o.Now()
	id, err := n.bus.Send(ctx, to, body)
	if err != nil {
		s.log.Warn("a request was not sent", "action", action.ID, "entity", entity, "error", err)
		return "bad", "the bus did not take the request"
	}
	s.log.Info("requested", "action", action.ID, "entity", entity, "command", id)
	var outcome state.Outcome
	_, err = n.view.Wait(ctx, func(st state.State) bool {
		var known bool
		outcome, known = action.Outcome(st, id)
		return known
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "bad", fmt.Sprintf("%s has not answered in %v", to.Target, outcomeWait)
	case err != nil:
		return "bad", "the console stopped before the answer came"
	}
	switch outcome.State {
	case state.OutcomeCompleted:
		return "ok", "done in " + ui.Took(s.o.Now().Sub(began))
	case state.OutcomeAccepted:
		return "ok", fmt.Sprintf("taken by %s", to.Target)
	}
	return "bad", fmt.Sprintf("%s: %s", outcome.State, outcome.Reason)
}

// toaster shows one message that changes.
type toaster struct {
	stream *stream
	id     string
	shown  bool
}

// show writes the message. A page that has gone is not told.
func (t *toaster) show(tone, text string) {
	markup := fmt.Sprintf(`<div class="toast %s" id="%s">%s</div>`, tone, t.id, html.EscapeString(text))
	if t.shown {
		_ = t.stream.patch(markup)
		return
	}
	t.shown = true
	_ = t.stream.add("#toasts", markup)
}

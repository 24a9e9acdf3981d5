package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"core.internal/shared/events"
)

// wanted reads from a page's query which log it shows: logs=alpha, and then
// stream=stderr and q=text.
func wanted(r *http.Request) (f filter, ok bool) {
	q := r.URL.Query()
	f = filter{entity: events.Entity(q.Get("logs")), text: strings.TrimSpace(q.Get("q"))}
	if s := q.Get("stream"); s == "stdout" || s == "stderr" {
		f.stream = s
	}
	if len(f.text) > maxQuery {
		f.text = f.text[:maxQuery]
	}
	return f, events.CheckToken(string(f.entity)) == nil
}

// maxQuery is the longest text to look for in a log, in bytes.
const maxQuery = 200

// serveStream keeps one page up to date. The first message is everything there
// is to show, so that a page that was disconnected needs no other.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	n, ok := s.node(w)
	if !ok {
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	until, _ := s.sessions.of(r)
	ctx, cancel := context.WithDeadline(r.Context(), until)
	defer cancel()
	c := &client{stream: newStream(w, r), node: n, sent: map[string]uint64{}}
	if f, ok := wanted(r); ok {
		feed, err := n.feeds.acquire(ctx, f)
		if err != nil {
			return
		}
		defer n.feeds.release(feed)
		c.feed = feed
	}
	if err := c.run(ctx, s.draining); err != nil {
		s.log.Debug("a page's stream ended", "cause", err)
	}
}

// client is one page that is kept up to date.
type client struct {
	stream *stream
	node   *node
	sent   map[string]uint64 // revision of each section that the page has
	feed   *feed             // nil without a log
	at     position          // in feed
}

// run writes what changes until the client, its session or the server ends. The
// last aborts the connection: a stream that ends well is not opened again by
// every client.
func (c *client) run(ctx context.Context, draining <-chan struct{}) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		changed, added, err := c.update()
		if err != nil {
			return err
		}
		pause.Reset(pace)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-draining:
				panic(http.ErrAbortHandler)
			case <-beat.C:
				if err := c.stream.beat(); err != nil {
					return err
				}
			case <-changed:
				waiting = false
			case <-added:
				waiting = false
			}
		}
		select { // no faster than the pace
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-draining:
			panic(http.ErrAbortHandler)
		}
	}
}

// update sends what the page lacks.
func (c *client) update() (changed, added <-chan struct{}, err error) {
	sections, changed, err := c.node.board.frame()
	if err != nil {
		return nil, nil, err
	}
	var markup strings.Builder
	for _, s := range sections {
		if rev, ok := c.sent[s.id]; !ok || rev != s.rev {
			markup.WriteString(s.html)
			c.sent[s.id] = s.rev
		}
	}
	if markup.Len() > 0 {
		if err := c.stream.patch(markup.String()); err != nil {
			return nil, nil, err
		}
	}
	if c.feed == nil {
		return changed, nil, nil
	}
	now, whole, add, remove, added := c.feed.news(c.at)
	c.at = now
	switch {
	case whole:
		err = c.stream.patch(panel(add, c.feed.filter))
	case add != "":
		if remove != "" {
			err = c.stream.remove(remove)
		}
		if err == nil {
			err = c.stream.add("#lines", add)
		}
	}
	return changed, added, err
}

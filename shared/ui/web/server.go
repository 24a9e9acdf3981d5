package web

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui/web/page"
)

//go:embed assets
var assets embed.FS

//go:embed templates
var templates embed.FS

// Options say whose console it is and who may use it.
type Options struct {
	Node  events.Node
	Token Token
	// Hosts are names under which the console is reached besides
	// console.localhost, localhost and the loopback addresses.
	Hosts []string
	Log   *slog.Logger     // nowhere if nil
	Now   func() time.Time // time.Now if nil
}

// View is the node's state as it changes; [bus.View] is one.
type View interface {
	State() state.State
	Watch(ctx context.Context) <-chan struct{}
	Wait(ctx context.Context, ok func(state.State) bool) (state.State, error)
}

// Bus carries requests, log lines and samples of usage; [bus.Conn] is one.
type Bus interface {
	Send(ctx context.Context, to events.CommandAddress, body events.Body) (events.ID, error)
	Lines(ctx context.Context, l bus.Lines, fn func(events.LogAddress, events.LogLine) error) error
	WatchUsage(ctx context.Context, node events.Node, s events.Source, fn func(events.Usage)) error
}

// Server answers the console's pages. Before Run it answers that it starts.
type Server struct {
	o        Options
	log      *slog.Logger
	sessions *sessions
	failures limiter
	files    *page.Files
	index    *template.Template
	login    *template.Template
	handler  http.Handler

	cut      atomic.Bool                  // the bus is away
	live     atomic.Pointer[node]         // nil while not running
	used     atomic.Pointer[events.Usage] // the last sample; nil before the first
	started  chan struct{}                // closed when Run has begun
	starting sync.Once
	streams  chan struct{} // a place for each open stream
	draining chan struct{} // closed by Drain
	drain    sync.Once
}

// node is what the pages show while the server runs.
type node struct {
	view  View
	bus   Bus
	board *board
	feeds *feeds
}

// maxStreams is how many event streams may be open at once.
const maxStreams = 256

// New makes a server; nothing starts before Run.
func New(o Options) (*Server, error) {
	if len(o.Token) < minToken {
		return nil, fmt.Errorf("console: the login token has %d characters: at least %d are needed", len(o.Token), minToken)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o: o, log: o.Log, failures: limiter{now: o.Now},
		streams: make(chan struct{}, maxStreams), draining: make(chan struct{}), started: make(chan struct{}),
	}
	var err error
	if s.sessions, err = newSessions(o.Token, o.Now); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	own, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if s.files, err = page.NewFiles("/assets/", page.Assets(), own); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if s.index, err = s.parse("index.html", "sections.html"); err != nil {
		return nil, err
	}
	if s.login, err = s.parse("login.html"); err != nil {
		return nil, err
	}
	s.handler, err = s.routes()
	return s, err
}

func (s *Server) parse(names ...string) (*template.Template, error) {
	var texts []string
	for _, name := range names {
		b, err := fs.ReadFile(templates, "templates/"+name)
		if err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
		texts = append(texts, string(b))
	}
	return page.Parse(s.files, functions, texts...)
}

func (s *Server) routes() (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(512))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	private := http.NewServeMux()
	private.HandleFunc("GET /{$}", s.serveIndex)
	private.HandleFunc("GET /stream", s.serveStream)
	private.HandleFunc("POST /do/{action}/{entity}", s.serveAction)

	mux := http.NewServeMux()
	mux.Handle("GET /assets/", s.files)
	mux.HandleFunc("GET /login", s.serveLogin)
	mux.HandleFunc("POST /login", s.serveLogin)
	mux.HandleFunc("POST /logout", s.serveLogout)
	mux.Handle("/", page.Secure(page.Policy{Scripts: true, Expressions: true}, s.sessions.loggedIn(private)))
	return page.Secure(page.Policy{}, hostGuard(s.o.Hosts, sameOrigin(compress(mux)))), nil
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run shows a node until ctx ends.
func (s *Server) Run(ctx context.Context, v View, b Bus) error {
	n := &node{view: v, bus: b, board: newBoard(v.State, s.render)}
	n.feeds = newFeeds(func(ctx context.Context, e events.Entity, tail int, fn func(events.LogAddress, events.LogLine) error) error {
		return b.Lines(ctx, bus.Lines{Node: s.o.Node, Entity: e, Tail: tail, Follow: true}, fn)
	}, s.log)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.board.Run(ctx, v.Watch(ctx)) })
	g.Go(func() error { return n.feeds.Run(ctx) })
	g.Go(func() error {
		return b.WatchUsage(ctx, s.o.Node, events.Procd, func(u events.Usage) {
			s.used.Store(&u)
			n.board.outdate()
		})
	})
	s.live.Store(n)
	defer s.live.Store(nil)
	s.starting.Do(func() { close(s.started) })
	return g.Wait()
}

// Started returns when the pages show the node.
func (s *Server) Started(ctx context.Context) error {
	select {
	case <-s.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Connected tells whether the bus can be reached. While it cannot, the pages say
// that what they show may be old.
func (s *Server) Connected(yes bool) {
	if s.cut.Swap(!yes) == yes {
		if n := s.live.Load(); n != nil {
			n.board.outdate()
		}
	}
}

// Drain ends the streams that are open and those that are opened from now on, in
// a way that makes their clients try again.
func (s *Server) Drain() { s.drain.Do(func() { close(s.draining) }) }

// node returns what to show, or answers that there is nothing yet.
func (s *Server) node(w http.ResponseWriter) (*node, bool) {
	n := s.live.Load()
	if n == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the console starts: it waits for the bus", http.StatusServiceUnavailable)
	}
	return n, n != nil
}

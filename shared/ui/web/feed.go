package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"core.internal/shared/events"
)

// shown is how many log lines a page has.
const shown = 200

// Lines follows the log of one service: it calls fn for the last tail lines and
// then for every new one until ctx ends or the bus is lost.
type Lines func(ctx context.Context, entity events.Entity, tail int, fn func(events.LogAddress, events.LogLine) error) error

// feeds follow logs, each filter once for however many clients look at it.
type feeds struct {
	lines Lines
	log   *slog.Logger
	opens chan *feed

	mu   sync.Mutex
	open map[filter]*feed // guarded by mu
}

func newFeeds(lines Lines, log *slog.Logger) *feeds {
	return &feeds{lines: lines, log: log, opens: make(chan *feed), open: map[filter]*feed{}}
}

// Run follows what clients ask for until ctx ends, and joins the followers.
func (f *feeds) Run(ctx context.Context) error {
	var followers sync.WaitGroup
	defer followers.Wait()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case one := <-f.opens:
			followers.Go(func() { f.follow(ctx, one) })
		}
	}
}

// acquire returns the feed of a filter for one client, who calls release once.
func (f *feeds) acquire(ctx context.Context, want filter) (*feed, error) {
	f.mu.Lock()
	one, ok := f.open[want]
	if !ok {
		one = &feed{filter: want, stop: make(chan struct{}), changed: make(chan struct{})}
		f.open[want] = one
	}
	one.clients++
	f.mu.Unlock()
	if ok {
		return one, nil
	}
	select {
	case f.opens <- one:
		return one, nil
	case <-ctx.Done():
		f.release(one)
		return nil, ctx.Err()
	}
}

func (f *feeds) release(one *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.clients--; one.clients == 0 {
		delete(f.open, one.filter)
		close(one.stop)
	}
}

// follow reads one log until nobody looks any more, beginning again with its
// last lines when the bus was lost.
func (f *feeds) follow(ctx context.Context, one *feed) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-one.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
		one.restart()
		err := f.lines(ctx, one.filter.entity, shown, func(a events.LogAddress, l events.LogLine) error {
			if one.filter.keeps(a, lineText(l)) {
				one.add(a, l)
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			f.log.Warn("follow a log", "entity", one.filter.entity, "error", err)
		}
		retry.Reset(time.Second)
	}
}

// feed is one followed log: its last lines, rendered.
type feed struct {
	filter  filter
	stop    chan struct{} // closed when the last client leaves
	clients int           // guarded by feeds.mu

	mu      sync.Mutex
	epoch   int           // guarded by mu: how often it began anew
	first   int           // guarded by mu: number of the first line kept
	lines   []string      // guarded by mu: markup of the lines kept
	changed chan struct{} // guarded by mu; closed by the next change
}

func (f *feed) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
	f.first, f.lines = 0, nil
	f.signal()
}

func (f *feed) add(a events.LogAddress, l events.LogLine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	lineMarkup(&b, lineID(f.epoch, f.first+len(f.lines)), a, l)
	f.lines = append(f.lines, b.String())
	if over := len(f.lines) - shown; over > 0 {
		f.lines = f.lines[over:]
		f.first += over
	}
	f.signal()
}

// signal wakes who waits; f.mu is held.
func (f *feed) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func lineID(epoch, n int) string { return "l" + strconv.Itoa(epoch) + "-" + strconv.Itoa(n) }

// position is how far one client has been told.
type position struct {
	epoch int
	first int // number of the first line it has
	next  int // number of the first line it lacks
}

// news is what a client at a position lacks: the whole list, or lines to add
// and a selector of those to take away. The last result is closed when there is
// more.
func (f *feed) news(p position) (now position, whole bool, add, remove string, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now = position{epoch: f.epoch, first: f.first, next: f.first + len(f.lines)}
	if p.epoch != f.epoch || p.next <= f.first {
		return now, true, strings.Join(f.lines, ""), "", f.changed
	}
	add = strings.Join(f.lines[p.next-f.first:], "")
	var gone []string
	for n := p.first; n < f.first; n++ {
		gone = append(gone, "#"+lineID(f.epoch, n))
	}
	return now, false, add, strings.Join(gone, ","), f.changed
}

// panel is the list of lines as one element.
func panel(lines string, f filter) string {
	if lines == "" {
		lines = fmt.Sprintf(`<li id="l-none" class="note">No lines yet%s.</li>`, map[bool]string{true: " that match"}[f.text != "" || f.stream != ""])
	}
	return `<ol id="lines">` + lines + `</ol>`
}

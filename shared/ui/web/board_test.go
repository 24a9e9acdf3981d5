package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestBoardRendersOncePerChangeAndOnlyWhenAsked(t *testing.T) {
	var seq, rendered atomic.Uint64
	b := newBoard(func() state.State { return state.State{Seq: seq.Load()} }, func(s state.State) ([]section, error) {
		rendered.Add(1)
		return []section{{id: "seq", html: fmt.Sprint(s.Seq)}, {id: "same", html: "same"}}, nil
	})
	changes := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, changes) }()

	var first []section
	for range 10 {
		first, _, _ = b.frame()
	}
	if rendered.Load() != 1 {
		t.Errorf("rendered %d times for ten readers of one state", rendered.Load())
	}
	_, changed, _ := b.frame()
	seq.Store(7)
	changes <- struct{}{}
	<-changed
	if rendered.Load() != 1 {
		t.Error("rendered though nobody asked")
	}
	var readers sync.WaitGroup
	for range 10 {
		readers.Go(func() {
			second, _, err := b.frame()
			if err != nil || second[0].html != "7" {
				t.Errorf("second frame %v, %v", second, err)
				return
			}
			if second[0].rev == first[0].rev || second[1].rev != first[1].rev {
				t.Errorf("revisions %d→%d of what changed, %d→%d of what did not", first[0].rev, second[0].rev, first[1].rev, second[1].rev)
			}
		})
	}
	readers.Wait()
	if rendered.Load() != 2 {
		t.Errorf("rendered %d times for two states", rendered.Load())
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

// script is a source of log lines that a test drives.
type script struct {
	lines   chan string
	follows atomic.Int32
	fail    chan error
}

func (s *script) follow(ctx context.Context, e events.Entity, _ int, fn func(events.LogAddress, events.LogLine) error) error {
	s.follows.Add(1)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.fail:
			return err
		case text := <-s.lines:
			if err := fn(events.LogAddress{Entity: e, Stream: "stdout"}, events.LogLine{Text: text, Time: time.Unix(0, 0)}); err != nil {
				return err
			}
		}
	}
}

func TestFeedIsSharedAndBounded(t *testing.T) {
	s := &script{lines: make(chan string), fail: make(chan error)}
	f := newFeeds(s.follow, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()

	want := filter{entity: "alpha", text: "KEEP"}
	one, err := f.acquire(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	two, err := f.acquire(ctx, want)
	if err != nil || one != two {
		t.Fatalf("a second reader of the same filter got another feed (%v)", err)
	}
	s.lines <- "keep 0"
	s.lines <- "drop this"
	s.lines <- "keep 1"
	s.lines <- "keep 2" // fn of the line before has returned once this is taken
	s.lines <- "drop"
	at, whole, add, _, _ := one.news(position{})
	if !whole || strings.Count(add, "<li") != 3 || strings.Contains(add, "drop") {
		t.Errorf("first news: whole %v: %s", whole, add)
	}
	s.lines <- "keep 3"
	s.lines <- "drop"
	at, whole, add, remove, _ := one.news(at)
	if whole || strings.Count(add, "<li") != 1 || remove != "" {
		t.Errorf("second news: whole %v, remove %q: %s", whole, remove, add)
	}
	for i := range shown - 1 {
		s.lines <- fmt.Sprint("keep more ", i)
	}
	s.lines <- "drop"
	late := at
	at, whole, add, remove, _ = one.news(at)
	if whole || strings.Count(add, "<li") != shown-1 || remove != "#l1-0,#l1-1,#l1-2" {
		t.Errorf("third news: whole %v, %d lines, remove %q", whole, strings.Count(add, "<li"), remove)
	}
	for i := range shown {
		s.lines <- fmt.Sprint("keep even more ", i)
	}
	s.lines <- "drop"
	if _, whole, add, _, _ = one.news(late); !whole || strings.Count(add, "<li") != shown {
		t.Errorf("a reader too far behind: whole %v, %d lines", whole, strings.Count(add, "<li"))
	}
	_, _, _, _, changed := one.news(at)
	s.fail <- errors.New("the bus is gone")
	<-changed
	if _, whole, _, _, _ := one.news(at); !whole {
		t.Error("a feed that began anew did not replace what its readers have")
	}
	f.release(one)
	f.release(two)
	s.follows.Store(0)
	three, err := f.acquire(ctx, want)
	if err != nil || three == one {
		t.Errorf("a feed that nobody reads was not ended (%v)", err)
	}
	f.release(three)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

func TestLineMarkup(t *testing.T) {
	tests := []struct {
		name string
		line events.LogLine
		want []string
		not  []string
	}{
		{"markup", events.LogLine{Text: `<script>alert("x")</script>`}, []string{"&lt;script&gt;"}, []string{"<script"}},
		{"slog", events.LogLine{Text: `{"time":"2026-01-02T03:04:05Z","level":"WARN","msg":"a <b> came","service":"alpha","name":"Ada L","n":3}`},
			[]string{`class="stdout warn"`, ">WARN<", "a &lt;b&gt; came", "name=&#34;Ada L&#34; n=3"}, []string{"service=", "<b>"}},
		{"level with an offset", events.LogLine{Text: `{"level":"INFO+2","msg":"m"}`}, []string{`class="stdout info"`}, nil},
		{"a level that is none", events.LogLine{Text: `{"level":"\"><script>","msg":"m"}`}, []string{"&lt;script&gt;"}, []string{"<script"}},
		{"other JSON", events.LogLine{Text: `{"a":1}`}, []string{"{&#34;a&#34;:1}"}, nil},
		{"broken JSON", events.LogLine{Text: `{"msg":"m","level":}`}, []string{"{&#34;msg&#34;"}, nil},
		{"bytes", events.LogLine{Raw: []byte{0xff, 0x1b, 'a'}}, []string{`&#34;\xff\x1ba&#34;`}, []string{"\x1b"}},
		{"long", events.LogLine{Text: strings.Repeat("é", maxLine)}, []string{"é… (4096 bytes more)"}, nil},
		{"dropped", events.LogLine{Text: "x", Dropped: 12}, []string{"12 lines before this"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			lineMarkup(&b, "l1-0", events.LogAddress{Stream: "stdout"}, tt.line)
			for _, w := range tt.want {
				if !strings.Contains(b.String(), w) {
					t.Errorf("lacks %s:\n%s", w, b.String())
				}
			}
			for _, w := range tt.not {
				if strings.Contains(b.String(), w) {
					t.Errorf("has %s:\n%s", w, b.String())
				}
			}
		})
	}
}

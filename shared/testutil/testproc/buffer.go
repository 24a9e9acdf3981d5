package testproc

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds a wait for output: long enough for a loaded machine.
const patience = 30 * time.Second

// Buffer keeps what is written to it.
type Buffer struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed by the next write; nil while nobody waits
}

var _ io.Writer = (*Buffer)(nil)

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more != nil {
		close(b.more)
		b.more = nil
	}
	return b.text.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// next returns what was written so far, and a channel that the next write closes.
func (b *Buffer) next() (string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more == nil {
		b.more = make(chan struct{})
	}
	return b.text.String(), b.more
}

// Await waits until a text was written, and fails the test where it is not in
// time. It returns all that was written.
func (b *Buffer) Await(t testing.TB, text string) string {
	t.Helper()
	return b.Until(t, "a line with "+text, func(all string) bool { return strings.Contains(all, text) })
}

// Until waits until what was written is as wanted; what says it in words.
func (b *Buffer) Until(t testing.TB, what string, ok func(all string) bool) string {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		all, more := b.next()
		if ok(all) {
			return all
		}
		select {
		case <-more:
		case <-limit.C:
			t.Fatalf("not written within %s: %s; but\n%s", patience, what, all)
		}
	}
}

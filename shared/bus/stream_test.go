package bus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go/jetstream"
)

// Who joins a question that somebody else asked waits for the answer as long as its
// own context lasts.
func TestSharedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{changed: make(chan struct{}), streams: map[string]known{}}
		answer, want := make(chan struct{}), &jetstream.StreamInfo{}
		c.asking.DoChan("S", func() (any, error) {
			<-answer
			return want, nil
		})
		patient := make(chan *jetstream.StreamInfo)
		go func() {
			info, err := c.recent(t.Context(), "S")
			if err != nil {
				t.Error(err)
			}
			patient <- info
		}()
		hasty, cancel := context.WithCancel(t.Context())
		refused := make(chan error)
		go func() {
			_, err := c.recent(hasty, "S")
			refused <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-refused; !errors.Is(err, context.Canceled) || err.Error() != "look at stream S: context canceled" {
			t.Errorf("got %v", err)
		}
		close(answer)
		if info := <-patient; info != want {
			t.Errorf("got %v", info)
		}
	})
}

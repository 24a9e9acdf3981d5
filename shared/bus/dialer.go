package bus

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// dialTimeout bounds one attempt to reach a bus.
const dialTimeout = 2 * time.Second

// dialer remembers why it could not dial, which nats.go reports as "no servers",
// and gives up a first connection whose context ends.
type dialer struct {
	mu   sync.Mutex
	err  error    // of the latest attempt; guarded by mu
	conn net.Conn // of the latest attempt; guarded by mu
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, dialTimeout)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.err = conn, err
	return conn, err
}

// connect makes one attempt.
func (d *dialer) connect(ctx context.Context, url string, options []nats.Option) (*nats.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.conn != nil {
			d.conn.Close()
		}
	})
	nc, err := nats.Connect(url, options...)
	stop()
	if errors.Is(err, nats.ErrNoServers) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err != nil {
			err = d.err
		}
	}
	return nc, err
}

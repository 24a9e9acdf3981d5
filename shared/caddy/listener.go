package caddy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterNetwork(network, listen) }

// sockets are the open sockets by address: Caddy asks for a listener by address
// alone.
var sockets sync.Map

// listen is called by Caddy for each configuration.
func listen(_ context.Context, _, host, port string, _ uint, _ net.ListenConfig) (any, error) {
	address := net.JoinHostPort(host, port)
	s, ok := sockets.Load(address)
	if !ok {
		return nil, fmt.Errorf("nothing is open for %s", address)
	}
	return &listener{socket: s.(*socket), closed: make(chan struct{})}, nil
}

// socket is a bound socket whose connections go to the listeners on it: during a
// reload there are two.
type socket struct {
	*net.TCPListener
	conns chan *conn
	down  chan struct{} // closed by shut

	mu   sync.Mutex
	open int           // connections not closed; guarded by mu
	none chan struct{} // closed when there are none; nil unless somebody waits; guarded by mu
}

func open(address string) (*socket, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{address, err}
	}
	s := &socket{TCPListener: l.(*net.TCPListener), conns: make(chan *conn), down: make(chan struct{})}
	sockets.Store(s.Addr().String(), s)
	return s, nil
}

// accept hands connections over until the socket is shut.
func (s *socket) accept() {
	for {
		c, err := s.AcceptTCP()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// No file descriptor is free, or the peer left: a little later the
			// next one may do.
			select {
			case <-time.After(5 * time.Millisecond):
			case <-s.down:
			}
			continue
		}
		s.count(1)
		select {
		case s.conns <- &conn{TCPConn: c, socket: s}:
		case <-s.down:
			c.Close()
			return
		}
	}
}

// shut closes the socket. No listener may be in use.
func (s *socket) shut() {
	sockets.Delete(s.Addr().String())
	close(s.down)
	s.Close()
}

// drain waits until no connection is open, or ctx ends, and returns how many are.
func (s *socket) drain(ctx context.Context) int {
	s.mu.Lock()
	none := make(chan struct{})
	s.none = none
	if s.open == 0 {
		close(none)
		s.none = nil
	}
	s.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *socket) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
	if s.open == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// conn is a connection that says when it is closed.
type conn struct {
	*net.TCPConn
	socket *socket
	once   sync.Once
}

func (c *conn) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() { c.socket.count(-1) })
	return err
}

// listener is one configuration's use of a socket.
type listener struct {
	socket *socket
	once   sync.Once
	closed chan struct{}
}

var _ net.Listener = (*listener)(nil)

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // also when a connection waits
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.socket.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.socket.Addr() }

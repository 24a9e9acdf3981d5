package caddy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// network is the name under which Caddy asks for the server's own socket.
//
// Left to itself Caddy opens a new socket beside the old one for every
// configuration, and the kernel resets what waits in the old one's queue when
// that is closed. Here one socket serves all configurations, and a connection
// goes to whichever listens.
const network = "core"

func init() { caddy.RegisterNetwork(network, listen) }

// sockets are the open sockets by address. Caddy asks for a listener by address
// alone, and there is one Caddy in a process.
var sockets sync.Map

func listen(_ context.Context, _, host, port string, _ uint, _ net.ListenConfig) (any, error) {
	address := net.JoinHostPort(host, port)
	s, ok := sockets.Load(address)
	if !ok {
		return nil, fmt.Errorf("nothing was opened for %s", address)
	}
	return &listener{socket: s.(*socket), closed: make(chan struct{})}, nil
}

// socket is a bound socket whose connections are taken by the listeners on it.
type socket struct {
	net.Listener
	conns chan net.Conn
	done  chan struct{} // closed when accept has returned
}

func openSocket(address string) (*socket, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{address, err}
	}
	s := &socket{Listener: l, conns: make(chan net.Conn), done: make(chan struct{})}
	sockets.Store(address, s)
	return s, nil
}

// accept hands connections over until the socket is closed.
func (s *socket) accept() {
	defer close(s.done)
	for {
		c, err := s.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // out of files, or the peer went away: the next may do
		}
		s.conns <- c
	}
}

// shut closes the socket when no listener is left on it.
func (s *socket) shut(address string) error {
	sockets.Delete(address)
	err := s.Close()
	for {
		select {
		case c := <-s.conns:
			c.Close()
		case <-s.done:
			return err
		}
	}
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
	case <-l.closed:
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

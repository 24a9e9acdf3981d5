package caddy

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// network is the name under which Caddy asks for the server's own socket.
//
// Caddy's own TCP sockets have SO_REUSEPORT: another Caddy of the same user
// would share the address without a word, each getting a part of the requests.
const network = "core"

func init() { caddy.RegisterNetwork(network, listen) }

// sockets are the open sockets by address: Caddy asks by address alone.
var sockets sync.Map //arch:ignore state: Caddy finds its listeners by address alone, and is one per process

// listen is called by Caddy.
func listen(_ context.Context, _, host, port string, _ uint, _ net.ListenConfig) (any, error) {
	address := net.JoinHostPort(host, port)
	s, ok := sockets.LoadAndDelete(address)
	if !ok {
		return nil, fmt.Errorf("nothing is open for %s", address)
	}
	return s, nil
}

// socket is a listener that knows how many of its connections are open.
type socket struct {
	*net.TCPListener

	mu   sync.Mutex
	open int           // guarded by mu
	none chan struct{} // closed when none are open; nil unless somebody waits; guarded by mu
}

// open binds an address and leaves the socket for Caddy to pick up.
func open(address string) (*socket, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{address, err}
	}
	s := &socket{TCPListener: l.(*net.TCPListener)}
	sockets.Store(s.Addr().String(), s)
	return s, nil
}

// shut closes a socket, whether or not Caddy has picked it up and closed it.
func (s *socket) shut() {
	sockets.Delete(s.Addr().String())
	s.Close()
}

// Accept implements [net.Listener].
func (s *socket) Accept() (net.Conn, error) {
	c, err := s.AcceptTCP()
	if err != nil {
		return nil, err
	}
	s.count(1)
	return &conn{TCPConn: c, socket: s}, nil
}

// drain waits until no connection is open or ctx ends, and returns how many are.
func (s *socket) drain(ctx context.Context) int {
	none := make(chan struct{})
	s.mu.Lock()
	if s.open == 0 {
		close(none)
	} else {
		s.none = none
	}
	s.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none = nil
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

// Close implements [net.Conn].
func (c *conn) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() { c.socket.count(-1) })
	return err
}

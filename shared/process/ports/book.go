package ports

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// HeldError says that a fixed port cannot be had.
type HeldError struct {
	Port    int
	Network string // tcp or udp
	Holder  Holder // zero where nobody could be found
	Service string // the service of this node that has it, or ""
	// Orphan is the service of this node from which the holder is left over, or
	// "": no supervisor has it any more.
	Orphan string
}

func (e *HeldError) Error() string {
	who := "another process"
	switch {
	case e.Service != "":
		who = "service " + e.Service
	case e.Holder != Holder{}:
		who = e.Holder.String()
	}
	if e.Orphan != "" {
		return fmt.Sprintf("port %d/%s is held by %s, left over from service %s of this node: `launcher ports reclaim %d` ends it", e.Port, e.Network, who, e.Orphan, e.Port)
	}
	return fmt.Sprintf("port %d/%s is held by %s: stop it, or give the service another port", e.Port, e.Network, who)
}

// RangeError says that no port of a range can be had.
type RangeError struct {
	First, Last int
	Network     string // tcp or udp
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("every port from %d to %d/%s is held: stop who holds one, or give the service a wider range", e.First, e.Last, e.Network)
}

// Network returns the transport of a spec's protocol.
func Network(protocol string) string {
	if protocol == "udp" {
		return "udp"
	}
	return "tcp"
}

// Check reports whether a port of the loopback address can be bound; where it is
// in use the error is a [*HeldError].
func Check(network string, port int) error {
	err := try(network, port)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	h, _ := find(network, port)
	return &HeldError{Port: port, Network: network, Holder: h}
}

func try(network string, port int) error {
	_, err := bind(network, port)
	return err
}

// bind binds a port, lets it go at once and returns its number.
func bind(network string, port int) (int, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if network == "udp" {
		c, err := net.ListenPacket("udp4", address)
		if err != nil {
			return 0, fmt.Errorf("bind port %d/udp: %w", port, err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return 0, fmt.Errorf("bind port %d/tcp: %w", port, err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Book remembers which service has which port. The zero value is empty.
type Book struct {
	mu    sync.Mutex
	owner map[Key]string // guarded by mu
}

// Key is a port of one transport.
type Key struct {
	Network string // tcp or udp
	Port    int
}

// Take gives owner a port of the loopback address: port itself, or any free one
// if it is 0, preferably kept. An owner may take a port again that it has.
func (b *Book) Take(owner, network string, port, kept int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if port > 0 {
		if o := b.owner[Key{network, port}]; o != "" && o != owner {
			return 0, &HeldError{Port: port, Network: network, Service: o}
		}
		if err := Check(network, port); err != nil {
			return 0, err
		}
		b.claim(owner, network, port)
		return port, nil
	}
	if kept > 0 && (b.owner[Key{network, kept}] == "" || b.owner[Key{network, kept}] == owner) && try(network, kept) == nil {
		b.claim(owner, network, kept)
		return kept, nil
	}
	for range 100 {
		n, err := Free(network)
		if err != nil {
			return 0, err
		}
		if b.owner[Key{network, n}] == "" {
			b.claim(owner, network, n)
			return n, nil
		}
	}
	return 0, fmt.Errorf("find a free %s port for %s: all that were tried are taken", network, owner)
}

// TakeRange gives owner the first free port from first to last, preferably kept.
// Where none is free the error is a [*RangeError].
func (b *Book) TakeRange(owner, network string, first, last, kept int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := func(n int) bool {
		o := b.owner[Key{network, n}]
		return (o == "" || o == owner) && try(network, n) == nil
	}
	if first <= kept && kept <= last && free(kept) {
		b.claim(owner, network, kept)
		return kept, nil
	}
	for n := first; n <= last; n++ {
		if free(n) {
			b.claim(owner, network, n)
			return n, nil
		}
	}
	return 0, &RangeError{First: first, Last: last, Network: network}
}

func (b *Book) claim(owner, network string, port int) {
	if b.owner == nil {
		b.owner = map[Key]string{}
	}
	b.owner[Key{network, port}] = owner
}

// Retain forgets the ports of owner that are not among keys.
func (b *Book) Retain(owner string, keys []Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, o := range b.owner {
		if o == owner && !slices.Contains(keys, k) {
			delete(b.owner, k)
		}
	}
}

// Release forgets all ports of owner.
func (b *Book) Release(owner string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, o := range b.owner {
		if o == owner {
			delete(b.owner, k)
		}
	}
}

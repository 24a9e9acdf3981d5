package web

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Failed logins allowed to one client before it must wait, how long that is,
// and how many clients are remembered.
const (
	loginTries   = 10
	loginWindow  = time.Minute
	loginClients = 1024
)

// limiter counts failed logins by client in fixed windows.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex
	clients map[string]window // guarded by mu
}

type window struct {
	ends  time.Time
	tries int
}

// blocked says how long a client must wait before it may try again; 0 if not
// at all.
func (l *limiter) blocked(client string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.clients[client]
	if left := w.ends.Sub(l.now()); w.tries >= loginTries && left > 0 {
		return left
	}
	return 0
}

// failed counts a try that was wrong.
func (l *limiter) failed(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	w := l.clients[client]
	if !now.Before(w.ends) {
		w = window{ends: now.Add(loginWindow)}
	}
	w.tries++
	if l.clients == nil {
		l.clients = map[string]window{}
	}
	if _, known := l.clients[client]; !known && len(l.clients) >= loginClients {
		l.forget(now)
	}
	l.clients[client] = w
}

// forget makes room: windows that are over go, or else the one that ends first.
func (l *limiter) forget(now time.Time) {
	var first string
	for c, w := range l.clients {
		if !now.Before(w.ends) {
			delete(l.clients, c)
		} else if f, ok := l.clients[first]; !ok || w.ends.Before(f.ends) {
			first = c
		}
	}
	if len(l.clients) >= loginClients {
		delete(l.clients, first)
	}
}

// clientOf names who a request is from: its peer or, where the peer is on this
// machine and so can only be the edge or somebody with this machine's trust, the
// address that the edge saw.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return host
	}
	seen := r.Header.Values("X-Forwarded-For")
	if len(seen) == 0 {
		return host
	}
	parts := strings.Split(seen[len(seen)-1], ",")
	if ip := net.ParseIP(strings.TrimSpace(parts[len(parts)-1])); ip != nil {
		return ip.String()
	}
	return host
}

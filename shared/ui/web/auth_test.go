package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLoadToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys", "console.token")
	tokens := make([]Token, 8)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			var err error
			if tokens[i], err = LoadToken(file); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, tok := range tokens {
		if tok != tokens[0] || len(tok) < 40 {
			t.Fatalf("eight processes minted different or weak tokens: %q", tokens)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want 0600", info.Mode(), err)
	}
	if rest, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".token-*")); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}

	tests := []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"readable by others", strings.Repeat("x", 32), 0o640, "chmod 600"},
		{"short", "secret\n", 0o600, "has 6 characters, at least 16"},
		{"empty", "", 0o600, "has 0 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			if tok, err := LoadToken(file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q, %v: want an error with %q", tok, err, tt.want)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, err := newSessions("0123456789abcdef", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	good := s.mint()
	other, _ := newSessions("another-token-16", s.now)
	payload := good[:strings.LastIndexByte(good, '.')]
	tests := []struct {
		name, value string
		ok          bool
	}{
		{"good", good, true},
		{"empty", "", false},
		{"no signature", payload, false},
		{"empty signature", payload + ".", false},
		{"of another token", other.mint(), false},
		{"later expiry", "9" + good, false},
		{"signature of nothing", "." + s.sign(""), false},
		{"signed nonsense", "never.x." + s.sign("never.x"), false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: tt.value})
		if _, ok := s.of(r); ok != tt.ok {
			t.Errorf("%s: accepted %v, want %v", tt.name, ok, tt.ok)
		}
	}
	now = now.Add(sessionLife)
	if _, ok := s.expiry(good); ok {
		t.Error("a session outlived its time")
	}
	for presented, want := range map[string]bool{
		"0123456789abcdef": true, " 0123456789abcdef\n": true, "0123456789abcde": false, "0123456789abcdefg": false, "": false,
	} {
		if s.login(presented) != want {
			t.Errorf("login(%q) = %v", presented, !want)
		}
	}
}

func TestLimiter(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := limiter{now: func() time.Time { return now }}
	for i := range loginTries {
		if l.blocked("a") > 0 {
			t.Fatalf("blocked after %d tries", i)
		}
		l.failed("a")
	}
	if l.blocked("a") != loginWindow || l.blocked("b") != 0 {
		t.Errorf("blocked: a %v, b %v", l.blocked("a"), l.blocked("b"))
	}
	now = now.Add(loginWindow)
	if l.blocked("a") != 0 {
		t.Error("still blocked when the window is over")
	}
	for i := range 3 * loginClients {
		now = now.Add(time.Millisecond)
		l.failed(string(rune('A' + i)))
	}
	if len(l.clients) > loginClients {
		t.Errorf("%d clients are remembered", len(l.clients))
	}
}

func TestClientOf(t *testing.T) {
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"127.0.0.1:9", "", "127.0.0.1"},
		{"127.0.0.1:9", "203.0.113.9, 192.0.2.7", "192.0.2.7"},
		{"127.0.0.1:9", "nonsense", "127.0.0.1"},
		{"[::1]:9", "192.0.2.7", "192.0.2.7"},
		{"192.0.2.1:9", "192.0.2.7", "192.0.2.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := clientOf(r); got != tt.want {
			t.Errorf("peer %s forwarded %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

package page

import (
	"net/http"
	"strings"
)

// Policy is what a page may do beyond showing its own markup and style.
type Policy struct {
	// Scripts allows scripts of the same origin.
	Scripts bool
	// Expressions allows scripts to compile expressions ('unsafe-eval'), which
	// Datastar does for every attribute it acts on. Such an attribute is therefore
	// a constant and never has data in it.
	Expressions bool
}

// String is the value of the Content-Security-Policy header.
func (p Policy) String() string {
	parts := []string{
		"default-src 'none'", "style-src 'self'", "img-src 'self'",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}
	if p.Scripts {
		script := "script-src 'self'"
		if p.Expressions {
			script += " 'unsafe-eval'"
		}
		parts = append(parts, script, "connect-src 'self'")
	}
	return strings.Join(parts, "; ")
}

// Secure sets the headers that keep a page to itself: it loads nothing from
// elsewhere, is shown in no frame and tells nobody where a reader came from.
func Secure(p Policy, next http.Handler) http.Handler {
	policy := p.String()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: that makes browsers send "Origin: null" with the
		// forms of our own pages.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

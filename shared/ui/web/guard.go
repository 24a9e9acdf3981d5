package web

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// ownHosts are the names under which the console answers besides configured
// ones. A page of another name that was made to resolve to this machine (DNS
// rebinding) is turned away.
var ownHosts = []string{"console.localhost", "localhost", "127.0.0.1", "::1"}

// hostGuard lets through requests to a known host, whatever the port.
func hostGuard(extra []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := hostName(r.Host)
		if !slices.Contains(ownHosts, name) && !slices.ContainsFunc(extra, func(h string) bool { return hostName(h) == name }) {
			http.Error(w, "this host is not one of the console's: open it as console.localhost, or add the host to its setting console.hosts", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostName is a Host header without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// sameOrigin turns away state-changing requests that another site's page sent.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "this request came from a page of another site and was not carried out", http.StatusForbidden)
	}))
	return protection.Handler(next)
}

// loggedIn lets through requests of a session. Others are sent to the login
// page where a person asked for a page, and are refused where a script asked.
func (s *sessions) loggedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.of(r); ok {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Datastar-Request") == "" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		http.Error(w, "log in first", http.StatusUnauthorized)
	})
}

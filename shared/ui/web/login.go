package web

import (
	"net/http"
	"strconv"
	"time"

	"core.internal/shared/ui/web/page"
)

// maxForm is the longest login form in bytes.
const maxForm = 4 << 10

// serveLogin shows the login form, and lets in who knows the token: pasted into
// the form, or in the link that the launcher prints.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.sessions.of(r); ok && !r.URL.Query().Has("token") {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	presented := r.FormValue("token")
	switch client := clientOf(r); {
	case r.Method == http.MethodGet && presented == "":
		s.showLogin(w, http.StatusOK, "")
	case s.failures.blocked(client) > 0:
		wait := s.failures.blocked(client).Round(time.Second) + time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
		s.showLogin(w, http.StatusTooManyRequests, "Too many wrong tokens. Try again in "+wait.String()+".")
	case !s.sessions.login(presented):
		s.failures.failed(client)
		s.log.Warn("a login failed", "client", client)
		s.showLogin(w, http.StatusUnauthorized, "That is not this node's token.")
	default:
		http.SetCookie(w, s.sessions.cookie(r, s.sessions.mint()))
		w.Header().Set("Cache-Control", "no-store")
		s.log.Info("somebody logged in", "client", client)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (s *Server) showLogin(w http.ResponseWriter, status int, problem string) {
	v := page.View{Title: "Log in · Core", Data: struct{ Node, Problem string }{string(s.o.Node), problem}}
	if err := page.Write(w, s.login, status, v); err != nil {
		s.log.Warn("answer with the login page", "error", err)
	}
}

// serveLogout ends the session of this browser.
func (s *Server) serveLogout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, s.sessions.cookie(r, ""))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

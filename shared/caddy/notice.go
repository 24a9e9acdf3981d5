package caddy

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/munnerz/goautoneg"

	"core.internal/shared/caddy/site"
)

func init() { caddy.RegisterModule(&notice{}) }

// notice answers with a page: as HTML to who asks for it, as text to everybody
// else.
type notice struct{ site.Page }

var _ caddyhttp.MiddlewareHandler = (*notice)(nil)

// CaddyModule implements [caddy.Module].
func (*notice) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + site.HandlerNotice, New: func() caddy.Module { return new(notice) }}
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (n *notice) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept")
	if n.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(n.RetryAfter))
	}
	body := n.Text()
	if wantsHTML(r) {
		body = n.HTML()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	} else {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(n.status(r))
	_, _ = io.WriteString(w, body) // an error now would be answered with another page
	return nil
}

// status is the page's own, or that of the error that led here.
func (n *notice) status(r *http.Request) int {
	err, _ := r.Context().Value(caddyhttp.ErrorCtxKey).(error)
	return cmp.Or(n.Status, failure(err))
}

// wantsHTML reports whether who asks names HTML and would not rather have text: what
// takes anything gets text.
func wantsHTML(r *http.Request) bool {
	var html, text float64
	specific := 0 // of what gave text: 3 for the type itself, 2 for text/*, 1 for */*
	for _, a := range goautoneg.ParseAccept(strings.ToLower(strings.Join(r.Header["Accept"], ","))) {
		switch a.Type + "/" + a.SubType {
		case "text/html":
			html = a.Q
		case "text/plain":
			text, specific = a.Q, 3
		case "text/*":
			if specific < 2 {
				text, specific = a.Q, 2
			}
		case "*/*":
			if specific < 1 {
				text, specific = a.Q, 1
			}
		}
	}
	return html > 0 && html >= text
}

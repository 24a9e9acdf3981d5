package dep

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/dep/fetch"
)

// TokenVariable is the variable with a token for GitHub. It is a variable only, so
// that it stands in no file and on no command line.
const TokenVariable = "CORE_GITHUB_TOKEN"

// Network is how things are downloaded. The zero value is for the open internet.
type Network struct {
	Offline bool // use what is installed, and files
	Mirrors []fetch.Mirror
	// GitHub is the address of github.com, or of a GitHub Enterprise server with or
	// without its /api/v3.
	GitHub string
	Token  string // for GitHub; sent to nobody else
	// Sleep waits between attempts; the real clock if nil.
	Sleep func(context.Context, time.Duration) error
	// Transport is used instead of HTTP's own; may be nil.
	Transport http.RoundTripper
}

// ForNode is the store of a node with its settings. workspace may be empty.
func ForNode(n config.Node, workspace string, environ []string) Store {
	l := n.Layout()
	s := Store{Bin: l.Bin(), Root: l.Root, Workspace: workspace, Network: Network{Offline: n.DepOffline, GitHub: n.DepGitHub}}
	for _, m := range n.DepMirrors {
		prefix, replacement, _ := strings.Cut(m, "=")
		s.Mirrors = append(s.Mirrors, fetch.Mirror{Prefix: prefix, Replacement: replacement})
	}
	for _, kv := range environ {
		if token, ok := strings.CutPrefix(kv, TokenVariable+"="); ok {
			s.Token = token
		}
	}
	return s
}

// client makes a client. Requests to GitHub's API carry the token.
func (n Network) client() *fetch.Client {
	o := fetch.Options{Mirrors: n.Mirrors, Offline: n.Offline, Sleep: n.Sleep, Transport: n.Transport}
	if n.Token != "" {
		api, err := url.Parse(n.api())
		o.Authorize = func(r *http.Request) {
			if err == nil && r.URL.Host == api.Host && r.URL.Scheme == api.Scheme && strings.HasPrefix(r.URL.Path, api.Path+"/repos/") {
				r.Header.Set("Authorization", "Bearer "+n.Token)
			}
		}
	}
	return fetch.New(o)
}

// api is the address of GitHub's API.
func (n Network) api() string {
	base := strings.TrimSuffix(n.GitHub, "/")
	switch u, err := url.Parse(base); {
	case base == "" || err == nil && (u.Host == "github.com" || u.Host == "api.github.com"):
		return "https://api.github.com"
	case strings.HasSuffix(base, "/api/v3"):
		return base
	}
	return base + "/api/v3"
}

// environment is what a command sees, with changes.
func environment(changes ...string) []string { return append(os.Environ(), changes...) }

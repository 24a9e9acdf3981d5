package web

import (
	"fmt"
	"log/slog"
	"net/url"

	"core.internal/shared/ui/web"

	"core.internal/services/console/config"
)

// Token reads the token with which people log in, minting one where there is
// none.
func Token(c config.Config) (web.Token, error) {
	file, err := c.Token()
	if err != nil {
		return "", err
	}
	return web.LoadToken(file)
}

// New makes the console's pages.
func New(c config.Config, t web.Token, l *slog.Logger) (*web.Server, error) {
	return web.New(web.Options{Node: c.Node, Token: t, Hosts: c.Hosts, Log: l})
}

// Link is what lets a person in with one click.
func Link(c config.Config, t web.Token) (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("setting console.url: %q: want the console's address, as in http://console.localhost:8080", c.URL)
	}
	u = u.JoinPath("login")
	u.RawQuery = url.Values{"token": {string(t)}}.Encode()
	return u.String(), nil
}

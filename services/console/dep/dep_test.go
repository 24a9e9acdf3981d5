package dep

import (
	"testing"

	"core.internal/shared/testutil/testservice"
)

func TestOwnSpec(t *testing.T) {
	s := testservice.Refuses(t, Parse, map[string]string{
		`"id": "console"`: `"id": "shell"`,
		`["core.bus"]`:    `[]`,
		`"expose": true`:  `"expose": false`,
	})
	if got := s.Caddy.Routes[0].Match[0]; got != "host(`console.localhost`, `localhost`, `127.0.0.1`)" {
		t.Errorf("routes: %s", got)
	}
}

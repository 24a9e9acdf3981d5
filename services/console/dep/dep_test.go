package dep

import (
	"os"
	"strings"
	"testing"
)

func TestOwnSpec(t *testing.T) {
	document, err := os.ReadFile("../service.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Caddy.Routes[0].Match[0]; got != "host(`console.localhost`, `localhost`, `127.0.0.1`)" {
		t.Errorf("routes: %s", got)
	}
	for old, now := range map[string]string{
		`"id": "console"`: `"id": "shell"`,
		`["core.bus"]`:    `[]`,
		`"expose": true`:  `"expose": false`,
	} {
		changed := strings.Replace(string(document), old, now, 1)
		if changed == string(document) {
			t.Fatalf("the spec has no %s", old)
		}
		if _, err := Parse([]byte(changed)); err == nil || !strings.Contains(err.Error(), "service.json") {
			t.Errorf("%s as %s: %v", old, now, err)
		}
	}
}

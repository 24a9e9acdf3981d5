package dep

import (
	"os"
	"strings"
	"testing"

	"core.internal/services/alpha/config"
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
	c, set := config.New()
	if err := set.Parse(nil, []string{"CORE_BUS_URL="}); err != nil {
		t.Fatal(err)
	}
	if err := Check(s, *c); err == nil || !strings.Contains(err.Error(), "CORE_BUS_URL") {
		t.Errorf("without a bus: %v", err)
	}
	for old, now := range map[string]string{
		`"id": "alpha"`: `"id": "gamma"`,
		`["core.bus"]`:  `[]`,
		`"primary": {"port": 0, "protocol": "http"}`: ``,
		`"description"`: `"descriptio"`,
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

package dep

import (
	"strings"
	"testing"

	"core.internal/shared/testutil/testservice"

	"core.internal/services/alpha/config"
)

func TestOwnSpec(t *testing.T) {
	s := testservice.Refuses(t, Parse, map[string]string{
		`"id": "alpha"`: `"id": "gamma"`,
		`["core.bus"]`:  `[]`,
		`"primary": {"port": 0, "protocol": "http"}`: ``,
		`"description"`: `"descriptio"`,
	})
	c, set := config.New()
	if err := set.Parse(nil, []string{"CORE_BUS_URL="}); err != nil {
		t.Fatal(err)
	}
	if err := Check(s, *c); err == nil || !strings.Contains(err.Error(), "CORE_BUS_URL") {
		t.Errorf("without a bus: %v", err)
	}
}

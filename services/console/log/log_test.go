package log

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"core.internal/services/console/config"
)

func TestTheTokenIsNeverWritten(t *testing.T) {
	const secret = "the-secret-token-of-this-node"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		c, set := config.New()
		if err := set.Parse([]string{"--log.format", format}, nil); err != nil {
			t.Fatal(err)
		}
		l, err := New(&out, *c, secret)
		if err != nil {
			t.Fatal(err)
		}
		l.Info("opened /login?token="+secret, "url", "/login?token="+secret)
		l.With("header", secret).WithGroup(secret).Error("failed", "error", errors.New("GET ?token="+secret))
		if got := out.String(); strings.Contains(got, secret) || strings.Count(got, hidden) < 4 || strings.Count(got, "\n") != 2 {
			t.Errorf("%s:\n%s", format, got)
		}
	}
}

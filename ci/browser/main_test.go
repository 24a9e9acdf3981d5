package browser

import (
	"testing"

	"go.uber.org/goleak"

	"core.internal/shared/testutil/testbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

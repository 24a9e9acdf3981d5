package service_test

import (
	"testing"

	"core.internal/shared/service"
)

func TestParseSpec(t *testing.T) {
	for _, tt := range []struct{ document, want string }{
		{`{"id":"demo","process":{"command":"demo"},"dependencies":["core.bus","alpha"]}`, ""},
		{`{"id":"other","process":{"command":"demo"}}`, `service.json: id "other": the program is demo`},
		{`{"id":"demo","process":{"command":"demo"},"dependencies":["core.bus"]}`, `service.json: dependencies ["core.bus"]: demo needs alpha`},
		{`{"id":"demo","process":{"command":"demo"}}`, `service.json: dependencies []: demo needs core.bus`},
	} {
		s, err := service.ParseSpec([]byte(tt.document), "demo", service.BusStage, "alpha")
		if got := message(err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.document, got, tt.want)
		}
		if err != nil {
			continue
		}
		if got, want := message(service.Settings{}.Check(s)), "demo depends on core.bus and no bus is named: set CORE_BUS_URL"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := (service.Settings{BusURL: "nats://127.0.0.1:1"}).Check(s); err != nil {
			t.Error(err)
		}
		s.Dependencies = nil
		if err := (service.Settings{}).Check(s); err != nil {
			t.Errorf("a service that needs no bus: %v", err)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

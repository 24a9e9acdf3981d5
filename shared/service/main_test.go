package service_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

// get asks for a path and returns status and body.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// facts lists the types of what a source has stated.
func facts(t *testing.T, b *testbus.Bus, s events.Source) []events.Envelope {
	t.Helper()
	var list []events.Envelope
	for r, err := range b.Connect(events.Operator).Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if e.Source == s {
			list = append(list, e)
		}
	}
	return list
}

func decode(t *testing.T, text string) map[string]string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

package spec

import (
	"fmt"
	"strings"
	"testing"
)

// Documents of the largest size must not cost more than their size: what is
// slow here stops the whole package at its deadline.
func TestLargeDocuments(t *testing.T) {
	size := MaxBytes / 4
	fill := func(part func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-4096; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(part(i))
		}
		return b.String()
	}
	const process = `{"id": "a", "process": {"command": "x", "args": [%s]}, "ports": {"primary": {"port": 0}, "additional": [%s]}}`
	part := func(s, between string) string { return s[:strings.LastIndex(s[:len(s)/4], between)] }
	documents := map[string]string{
		"placeholders": fmt.Sprintf(process, part(fill(func(i int) string { return `"{ports.primary}"` }), ","), part(fill(func(i int) string { return fmt.Sprintf(`{"name":"p%d","port":0}`, i) }), ",{")),
		"unknown ones": fmt.Sprintf(process, part(fill(func(i int) string { return `"{ports.primry}"` }), ","), part(fill(func(i int) string { return fmt.Sprintf(`{"name":"p%d","port":0}`, i) }), ",{")),
		"errors":       fmt.Sprintf(process, fill(func(int) string { return `1` }), ""),
		"missing":      fmt.Sprintf(process, "", fill(func(int) string { return `{"x":1}` })),
		"hosts":        fmt.Sprintf("{\"id\": \"a\", \"process\": {\"command\": \"x\"}, \"caddy\": {\"routes\": [{\"match\": [\"host(%s)\"], \"handle\": [{\"handler\": \"reverse_proxy\", \"upstreams\": [\"a:1\"]}]}]}}", fill(func(i int) string { return fmt.Sprintf("`h%d`", i) })),
		"long word":    fmt.Sprintf(`{"id": "a", "process": {"command": "x"}, %q: 1}`, strings.Repeat("process", 100_000)),
		"brackets":     strings.Repeat("[", MaxBytes),
		"deep":         `{"id": "a", "zz": ` + strings.Repeat("[", MaxBytes/2),
	}
	size = MaxBytes
	documents["arguments"] = fmt.Sprintf(process, fill(func(int) string { return `""` }), "")
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("large.json", []byte(document))
			switch text := fmt.Sprint(err); {
			case (err == nil) != (name == "arguments" || name == "placeholders" || name == "hosts"):
				t.Errorf("%.300s", text)
			case len(text) > 64<<10:
				t.Errorf("an error of %d bytes: %.300s", len(text), text)
			}
		})
	}
}

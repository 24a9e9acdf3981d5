package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// volatile are the fields of facts that differ from boot to boot.
var volatile = []string{
	"pid", "port", "instance", "took_ms", "until", "addresses", "upstreams", "restart", "start", "version", "address",
}

// Transcript renders what a node stated, so that two boots can be compared: no
// times, pids, ports or ids. The launcher's stages come first, in the order in
// which they were stated; then, by source and entity, what each source stated
// about each entity, in order. Across entities the transcript says nothing:
// services that do not depend on each other start beside each other.
func Transcript(facts []Envelope) []string {
	var lines []string
	groups := map[string][]string{}
	for _, e := range facts {
		line := fmt.Sprintf("%s/%s %s %s", e.Source, e.Entity, e.Type, normalize(e.Data))
		if e.Source == Launcher && e.Type.Aggregate() == "stage" {
			lines = append(lines, line)
			continue
		}
		key := fmt.Sprintf("%s/%s", e.Source, e.Entity)
		groups[key] = append(groups[key], line)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		lines = append(lines, groups[key]...)
	}
	return lines
}

func normalize(data json.RawMessage) string {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return string(data)
	}
	b, err := json.Marshal(strip(v))
	if err != nil {
		return string(data)
	}
	return string(b)
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range volatile {
			delete(v, k)
		}
		for k := range v {
			v[k] = strip(v[k])
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

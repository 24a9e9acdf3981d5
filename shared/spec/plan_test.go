package spec

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// planned writes a plan as text, a change a line.
func planned(changes []Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s: %s", c.Kind, c.ID, c.Effect)
		for i, f := range c.Fields {
			fmt.Fprintf(&b, "%s %s %s", map[bool]string{true: " (", false: ","}[i == 0], f.Field, f.Effect)
		}
		if len(c.Fields) > 0 {
			b.WriteString(" )")
		}
		b.WriteString("\n")
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "( ", "("), " )", ")")
}

func TestPlan(t *testing.T) {
	a := func(more string) []Located { return []Located{service(t, "a", more)} }
	process := func(more string) []Located {
		return []Located{parse(t, "a.json", `{"id": "a", "process": {"command": "x"`+more+`}}`)}
	}
	for name, c := range map[string]struct {
		old, new []Located
		want     string
	}{
		"nothing":            {nil, nil, ""},
		"the same":           {a(`"profiles": ["p"]`), a(`"profiles": ["p"]`), ""},
		"defaults spelt out": {a(``), a(`"displayName": "a", "logging": {"format": "auto"}, "health": {"type": "none"}, "profiles": [], "dependencies": []`), ""},
		"added and removed":  {[]Located{service(t, "b", ""), service(t, "c", "")}, []Located{service(t, "c", ""), service(t, "a", "")}, "added a: start\nremoved b: stop\n"},
		"words":              {a(`"description": "x"`), a(`"description": "y", "icon": "i", "required": true`), "changed a: reload (description reload, icon reload, required reload)\n"},
		"profiles":           {a(`"profiles": ["p"]`), a(`"profiles": ["p", "q"]`), "changed a: reload (profiles reload)\n"},
		"retention":          {a(``), a(`"logging": {"retention": "1d"}`), "changed a: reload (logging.retention reload)\n"},
		"exposure": {a(`"ports": {"primary": {"port": 0}}`), a(`"ports": {"primary": {"port": 0}}, "caddy": {"expose": true}`),
			"changed a: reload (caddy.expose reload, caddy.routes reload)\n"},
		"both":                 {a(`"description": "x"`), a(`"logging": {"format": "json"}`), "changed a: restart (description reload, logging.format restart)\n"},
		"a port":               {a(``), a(`"ports": {"primary": {"port": 0}}`), "changed a: restart (ports.primary restart)\n"},
		"a port's number":      {a(`"ports": {"primary": {"port": 0}}`), a(`"ports": {"primary": {"port": 1}}`), "changed a: restart (ports.primary.port restart)\n"},
		"conditions":           {a(`"dependencies": ["b"]`), a(`"dependencies": [{"service": "b", "condition": "started"}]`), "changed a: reload (dependencies reload)\n"},
		"conditions, the same": {a(`"dependencies": ["b"]`), a(`"dependencies": [{"service": "b", "condition": "ready"}]`), ""},
		"arguments":            {process(``), process(`, "args": ["1"]`), "changed a: restart (process.args restart)\n"},
		"environment":          {process(`, "env": {"A": "1", "B": "2", "C": "3"}`), process(`, "env": {"B": "2", "C": "4", "D": ""}`), "changed a: restart (process.env.A restart, process.env.C restart, process.env.D restart)\n"},
		"restart policy":       {process(`, "restartPolicy": "always"`), process(`, "restartPolicy": {"policy": "always", "factor": 3, "budget": {"restarts": 1}}`), "changed a: reload (process.restartPolicy.factor reload, process.restartPolicy.budget.restarts reload)\n"},
		"reload signal":        {process(``), process(`, "reloadSignal": "SIGHUP"`), "changed a: reload (process.reloadSignal reload)\n"},
		"a job's times": {process(`, "type": "cron", "schedule": "@hourly"`), process(`, "type": "cron", "schedule": "@daily", "timezone": "Europe/Berlin", "overlap": "replace"`),
			"changed a: reload (process.schedule reload, process.timezone reload, process.overlap reload)\n"},
		"a limit":                 {process(`, "limits": {"coreSize": 0}`), process(`, "limits": {"coreSize": 1}`), "changed a: restart (process.limits.coreSize restart)\n"},
		"from no limit to 0":      {process(`, "limits": {}`), process(`, "limits": {"coreSize": 0}`), "changed a: restart (process.limits.coreSize restart)\n"},
		"a size, spelt otherwise": {process(`, "resources": {"memoryMax": "1M"}`), process(`, "resources": {"memoryMax": 1048576}`), ""},
		"fewer replicas":          {WithReplicas(process(`, "replicas": 3`)), WithReplicas(process(`, "replicas": 2`)), "removed a-2: stop\n"},
		"one replica":             {WithReplicas(process(`, "replicas": 2`)), WithReplicas(process(``)), "added a: start\nremoved a-0: stop\nremoved a-1: stop\n"},
	} {
		if got := planned(Plan(c.old, c.new)); got != c.want {
			t.Errorf("%s:\ngot  %swant %s", name, got, c.want)
		}
	}
}

// A spec that moved goes on as it is, unless there are files beside it.
func TestPlanOfWhatMoved(t *testing.T) {
	move := func(document string) string {
		return planned(Plan([]Located{parse(t, "/old/a.json", document)}, []Located{parse(t, "/new/a.json", document)}))
	}
	if got, want := move(named("a")), "changed a: none\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	const template = `{"id": "a", "process": {"command": "x", "ensure": [{"type": "template", "template": "t", "target": "/x"}]}}`
	if got, want := move(template), "changed a: restart (process.ensure restart)\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A plan has a change for exactly those whose digest or presence changed, in
// whatever order the specs come, and none from a set to itself.
func TestPlanProperties(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "x", "y"})
	specs := func(t *rapid.T) []Located {
		var list []Located
		for _, id := range []ServiceID{"a", "b", "c", "d"} {
			if rapid.Bool().Draw(t, "there") {
				s := Located{Service: Service{ID: id, Description: word.Draw(t, "description"), Process: Process{Command: "x", User: Account(word.Draw(t, "user"))}}}
				s.Digest = digest(s.Service)
				list = append(list, s)
			}
		}
		return list
	}
	rapid.Check(t, func(t *rapid.T) {
		old, new := specs(t), specs(t)
		got := Plan(old, new)
		if again := Plan(rapid.Permutation(old).Draw(t, "old"), rapid.Permutation(new).Draw(t, "new")); planned(again) != planned(got) {
			t.Fatalf("%s\n%s", planned(got), planned(again))
		}
		if same := Plan(new, new); len(same) > 0 {
			t.Fatalf("from itself: %s", planned(same))
		}
		was, is := map[ServiceID]string{}, map[ServiceID]string{}
		for _, s := range old {
			was[s.ID] = s.Digest
		}
		for _, s := range new {
			is[s.ID] = s.Digest
		}
		changed := map[ServiceID]bool{}
		for _, c := range got {
			changed[c.ID] = true
		}
		for _, id := range []ServiceID{"a", "b", "c", "d"} {
			if changed[id] != (was[id] != is[id]) {
				t.Fatalf("%s: %q, then %q: %s", id, was[id], is[id], planned(got))
			}
		}
	})
}

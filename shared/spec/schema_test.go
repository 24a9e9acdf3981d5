package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(SchemaID, document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(schema *jsonschema.Schema, document []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// What the schema cannot say: well-formed text, that a member is not there
// twice, and what depends on several values or on placeholders.
var beyondSchema = map[string]bool{
	"lone-surrogate": true, "twice": true, "no-primary-port": true, "no-upstream": true, "ports-twice": true, "two-host-matchers": true,
	"placeholders": true, "resolved-forms": true, "tcp-endpoint": true, "secret-in-url": true,
	"restart-pauses": true, "oneshot-always": true, "schedule-never": true, "schedule-with-zone": true, "schedule-too-often": true, "replicas": true,
	"replicas-of-a-long-id": true, "memory-high": true, "download-url": true, "range-with-port": true, "probe-ports": true, "probe-forms": true, "probe-beats": true,
	"platform-condition": true, "secrets-elsewhere": true, "cores": true, // a number's decimals
}

func TestSchemaRejectsWhatParseRejects(t *testing.T) {
	schema := compileSchema(t)
	archive, err := txtar.ParseFile("testdata/parse.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, ".json"); ok {
			if err := validate(schema, f.Data); (err == nil) != beyondSchema[name] {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	schema := compileSchema(t)
	files, err := filepath.Glob("../../services/*/service.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "testdata/redis.json") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, b); err != nil {
			t.Error(err)
		}
		if err := validate(schema, b); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, text := range []string{
		`{"id": "a", "process": {"command": "x", "workingDir": "", "args": [], "env": {}, "ensure": []}, "logging": {"stdout": ""}}`,
		`{"id": "a", "process": {"command": "x"}, "ports": {"primary": {"port": 0}}, "health": {"type": "tcp", "endpoint": "", "interval": "1d12h"}}`,
	} {
		if _, err := Parse("a.json", []byte(text)); err != nil {
			t.Error(err)
		}
		if err := validate(schema, []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

const (
	docs       = "../../docs/specs.md"
	beginMark  = "<!-- generated from shared/spec/spec.go by `go test core.internal/shared/spec -update`: do not edit -->\n"
	endMark    = "<!-- end of what is generated -->\n"
	exampleEnd = "```\n"
)

func TestDocs(t *testing.T) {
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), beginMark)
	generated, after, closed := strings.Cut(rest, endMark)
	if !ok || !closed {
		t.Fatalf("%s has no generated section: it begins with %q and ends with %q", docs, beginMark, endMark)
	}
	want := "\n" + Reference() + "\n"
	if *update {
		if err := os.WriteFile(docs, []byte(before+beginMark+want+endMark+after), 0o644); err != nil {
			t.Fatal(err)
		}
		generated = want
	}
	if generated != want {
		t.Errorf("%s is not current: run go test core.internal/shared/spec -update (-docs +types)\n%s", docs, cmp.Diff(generated, want))
	}

	examples := 0
	for _, part := range strings.Split(before, "```json\n")[1:] {
		example, _, _ := strings.Cut(part, exampleEnd)
		examples++
		if _, err := Parse(docs, []byte(example)); err != nil {
			t.Errorf("an example of the page is wrong: %v", err)
		}
		if err := validate(compileSchema(t), []byte(example)); err != nil {
			t.Errorf("an example of the page is not of the schema: %v", err)
		}
	}
	if examples == 0 {
		t.Error("the page has no example")
	}
}

func TestReferenceNamesEveryMember(t *testing.T) {
	text := Reference()
	for _, want := range []string{
		"### The document", "### `process.ensure[]`", "### `caddy.routes[].handle[].health_check`",
		"| `restartPolicy` | text or object |  | After which exits it is started again; as an object, also how soon and how often. |",
		"### `process.restartPolicy`", "| `policy` | `always`, `on-failure`, `never` | `on-failure` | After which exits it is started again. |",
		"| `id` | text | **required** |", "| {ports.NAME} |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference has no %q", want)
		}
	}
}

package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const hidden = "hunter2-{not.a.placeholder}"

// secretive is the full document with variables that have every secret.
func secretive(t *testing.T) (Located, Vars) {
	t.Helper()
	v := vars
	v.NodeDir, v.Instance = "/core/local", "i1"
	v.Ports = map[string]int{"primary": 8001, "admin": 9001, "grpc": 7}
	v.Secrets = func(name string) (string, error) { return hidden + name, nil }
	return full(t)["service.json"], v
}

func TestSecrets(t *testing.T) {
	s, v := secretive(t)
	r, err := s.Resolve(v)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		r.Process.Env["KEY"]: hidden + "web.key", r.Process.Ensure[2].Content: hidden + "web-token\n",
		r.Process.Env["ID"]: "web", r.Process.Env["RUN"]: "i1",
		r.Process.EnvFile[0]: "/core/local/web.env", r.Process.WorkingDir: "/core/local/data/web",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	text, err := s.Expand("t", "key {secret.x}", v)
	if err != nil || text != "key "+hidden+"x" {
		t.Errorf("a template: %q, %v", text, err)
	}
	// Where it goes from here: what is registered, the edge, the digest.
	routes, err := json.Marshal([]any{r.EventRoutes(), r.PublicRoutes(), r.Health, r.Digest})
	if err != nil || strings.Contains(string(routes), "hunter2") {
		t.Errorf("%s, %v", routes, err)
	}
	if r.Digest != s.Digest {
		t.Error("the digest is of the values")
	}
}

func TestRedacted(t *testing.T) {
	s, v := secretive(t)
	v.Secrets = func(name string) (string, error) { return "", fmt.Errorf("%s was asked for", name) }
	r, err := s.Redacted(v)
	if err != nil {
		t.Fatal(err)
	}
	if r.Process.Ensure[2].Content != "{secret.web-token}\n" || r.Process.Env["KEY"] != "{secret.web.key}" || r.Process.Env["ID"] != "web" {
		t.Errorf("%v %v", r.Process.Args, r.Process.Env)
	}
}

// Whatever is wrong with a secret, no message has its value.
func TestSecretErrors(t *testing.T) {
	s := parse(t, "a.json", `{"id": "a", "process": {"command": "x", "env": {"K": "{secret.k}"}}}`)
	for name, c := range map[string]struct {
		secrets func(string) (string, error)
		want    string
	}{
		"none":  {nil, "placeholder {secret.k} has no value here"},
		"error": {func(string) (string, error) { return hidden, errors.New("not there") }, "placeholder {secret.k}: not there"},
		"NUL":   {func(string) (string, error) { return hidden + "\x00", nil }, "placeholder {secret.k}: the secret has a NUL character: want text without it"},
	} {
		v := vars
		v.Secrets = c.secrets
		_, err := s.Resolve(v)
		if want := "a.json:1:54: process.env.K: " + c.want; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

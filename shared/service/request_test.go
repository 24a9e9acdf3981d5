package service_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net/http/httptest"
	"strings"
	"testing"

	"core.internal/shared/config"
	"core.internal/shared/service"
)

func TestReadJSON(t *testing.T) {
	tests := []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"good", "application/json; charset=utf-8", `{"name":"Ada"}`, 0, ""},
		{"form", "application/x-www-form-urlencoded", `name=Ada`, 415, "application/json"},
		{"no type", "", `{}`, 415, "application/json"},
		{"empty", "application/json", ``, 400, "the body is empty"},
		{"cut", "application/json", `{"name":"A`, 400, "ends in the middle"},
		{"two values", "application/json", `{} {}`, 400, "more after the JSON value"},
		{"unknown field", "application/json", `{"nam":"Ada"}`, 400, `unknown field "nam"`},
		{"wrong type", "application/json", `{"name":3}`, 400, `field "name": want a string, got a number`},
		{"not JSON", "application/json", `hello`, 400, "not the JSON expected"},
		{"too long", "application/json", `{"name":"` + strings.Repeat("x", 200) + `"}`, 413, "longer than 100 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			var v struct {
				Name string `json:"name"`
			}
			err := service.ReadJSON(httptest.NewRecorder(), r, 100, &v)
			if tt.status == 0 {
				if err != nil || v.Name != "Ada" {
					t.Errorf("%+v, %v", v, err)
				}
				return
			}
			var got *service.RequestError
			if !errors.As(err, &got) || got.Status != tt.status || !strings.Contains(got.Message, tt.want) {
				t.Errorf("%v: want %d %q", err, tt.status, tt.want)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	var did string
	build := func() service.Command {
		set := config.New("demo")
		name := set.String("name", "nobody", "who")
		return service.Command{Name: "demo", About: "shows", Set: set, Verbs: []service.Verb{
			{Name: "serve", About: "serve on", Run: func(context.Context, service.Call) error { did = "serve " + *name; return nil }},
			{Name: "greet", Args: "NAME", About: "greet one", Run: func(_ context.Context, c service.Call) error {
				did = "greet " + c.Args[0] + " as " + *name
				return nil
			}},
			service.ConfigVerb(), service.SpecVerb([]byte("{}\n")), service.VersionVerb("demo"),
		}}
	}
	tests := []struct {
		name, args, env string
		did, out, want  string
	}{
		{name: "the first verb", did: "serve nobody"},
		{name: "environment", env: "CORE_NAME=Eve", did: "serve Eve"},
		{name: "flag after the verb", args: "greet Ada --name Bob", env: "CORE_NAME=Eve", did: "greet Ada as Bob"},
		{name: "argument missing", args: "greet", want: "demo greet: want NAME"},
		{name: "argument too many", args: "greet a b", want: `unexpected argument "b"`},
		{name: "misspelt verb", args: "gret Ada", want: `unknown verb "gret": did you mean greet?`},
		{name: "strange verb", args: "frobnicate", want: "want one of serve, greet, config, spec, version"},
		{name: "misspelt flag", args: "--nme x", want: "did you mean --name?"},
		{name: "help", args: "--help", out: "greet NAME", want: flag.ErrHelp.Error()},
		{name: "config", args: "config --name x", out: "flag --name"},
		{name: "spec", args: "spec", out: "{}"},
		{name: "version", args: "version", out: "demo devel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			did = ""
			var out bytes.Buffer
			err := build().Exec(t.Context(), strings.Fields(tt.args), []string{tt.env}, nil, &out, &out)
			if did != tt.did || !strings.Contains(out.String(), tt.out) {
				t.Errorf("did %q, wrote\n%s", did, out.String())
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v: want %q", err, tt.want)
			}
			var usage *config.UsageError
			if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.As(err, &usage) {
				t.Errorf("%v is no usage error", err)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	parse := func(args ...string) error {
		var s service.Settings
		set := config.New("demo")
		s.Register(set)
		if err := set.Parse(args, nil); err != nil {
			return err
		}
		return s.Validate()
	}
	if err := parse(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for _, tt := range []struct{ args, want string }{
		{"--listen 0.0.0.0:80", "a listener beyond loopback requires TLS"},
		{"--listen 8080", "want host:port"},
		{"--listen.metrics example.org:80", "setting listen.metrics"},
		{"--node a.b", "setting node"},
		{"--bus.url=", "setting bus.url: empty"},
		{"--log.level loud", "setting log.level"},
		{"--stop.timeout 0s", "setting stop.timeout"},
	} {
		if err := parse(strings.Fields(tt.args)...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v: want %q", tt.args, err, tt.want)
		}
	}
}

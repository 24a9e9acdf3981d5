package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"core.internal/services/beta/cli"
	"core.internal/shared/testutil/testservice"
)

func TestTally(t *testing.T) {
	var host, accept string
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, accept = r.Host, r.Header.Get("Accept")
		io.WriteString(w, "NAME  GREETINGS\n")
	}))
	defer edge.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var out bytes.Buffer
	args := []string{"tally", "--edge.listen", strings.TrimPrefix(edge.URL, "http://")}
	if err := cli.Command(testservice.Spec(t)).Exec(t.Context(), args, nil, nil, &out, &out); err != nil {
		t.Fatal(err)
	}
	if host != "beta.localhost" || accept != "text/plain" || out.String() != "NAME  GREETINGS\n" {
		t.Errorf("asked %s for %s, wrote %q", host, accept, out.String())
	}
	edge.Close()
	if err := cli.Command(testservice.Spec(t)).Exec(t.Context(), args, nil, nil, &out, &out); err == nil || !strings.Contains(err.Error(), "is the node up?") {
		t.Errorf("without an edge: %v", err)
	}
}

func TestVerbs(t *testing.T) {
	for _, tt := range []struct{ args, out, want string }{
		{"spec", `"id": "beta"`, ""},
		{"config --beta.url http://x", "flag --beta.url", ""},
		{"version", "beta ", ""},
		{"serve --bus.url=", "", "CORE_BUS_URL"},
		{"serve --bus.url=nats://127.0.0.1:1 --listen 0.0.0.0:1", "", "requires TLS"},
		{"tali", "", "did you mean tally?"},
	} {
		var out bytes.Buffer
		err := cli.Command(testservice.Spec(t)).Exec(t.Context(), strings.Fields(tt.args), nil, nil, &out, &out)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || !strings.Contains(out.String(), tt.out) {
			t.Errorf("%s: %v\n%s", tt.args, err, out.String())
		}
	}
}

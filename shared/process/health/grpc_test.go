package health_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"core.internal/shared/process/health"
	"core.internal/shared/spec"
)

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveGRPC serves what is registered until the test ends.
func serveGRPC(t *testing.T, register func(*grpc.Server)) string {
	l := listen(t)
	s := grpc.NewServer()
	register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return l.Addr().String()
}

// hanging never answers a call.
type hanging struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (hanging) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Against the health server of grpc-go, and what is none.
func TestProbeGRPC(t *testing.T) {
	status := grpchealth.NewServer()
	status.SetServingStatus("shop.Orders", grpc_health_v1.HealthCheckResponse_SERVING)
	status.SetServingStatus("shop.Billing", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	served := serveGRPC(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, status) })
	without := serveGRPC(t, func(*grpc.Server) {})
	hangs := serveGRPC(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, hanging{}) })
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	mute := listen(t)
	defer mute.Close()
	closed := unused(t)
	for _, c := range []struct{ address, service, want string }{
		{served, "", ""},
		{served, "shop.Orders", ""},
		{served, "shop.Billing", "grpc health of " + served + ": NOT_SERVING"},
		{served, "shop.Stock", `the server does not know service "shop.Stock"`},
		{without, "", "the server has no grpc.health.v1 service"},
		{hangs, "", "no answer within 500ms"},
		{mute.Addr().String(), "", "no answer within 500ms"},
		{strings.TrimPrefix(web.URL, "http://"), "", "grpc health of "},
		{closed, "", "connect to " + closed + ": connection refused"},
		{"no address", "", "connect to no address: "},
	} {
		began := time.Now()
		err := health.Probe(t.Context(), health.Check{Type: spec.HealthGRPC, Endpoint: c.address, Service: c.service, Timeout: 500 * time.Millisecond})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: %v, want %q", c.address, c.service, err, c.want)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s %s took %v", c.address, c.service, took)
		}
	}
}

// Answers that no proper server gives.
func TestProbeGRPCNonsense(t *testing.T) {
	for body, want := range map[string]string{
		"\x00\x00\x00\x00\x02\x08\x01":               "",
		"\x00\x00\x00\x00\x06\x12\x02hi\x08\x01":     "",
		"\x00\x00\x00\x00\x00":                       "UNKNOWN",
		"\x00\x00\x00\x00\x02\x08\x63":               "status 99",
		"":                                           "no single uncompressed message",
		"\x01\x00\x00\x00\x02\x08\x01":               "no single uncompressed message",
		"\x00\xff\xff\xff\xff\x08\x01":               "no single uncompressed message",
		"\x00\x00\x00\x00\x01\x08":                   "read the answer",
		"\x00\x00\x00\x00\x02\x12\x7f":               "read the answer",
		strings.Repeat("\x00", 3<<10):                "no single uncompressed message",
		"\x00\x00\x00\x00\x02\x08\x01 and then some": "no single uncompressed message",
	} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != "\x00\x00\x00\x00\x03\x0a\x01x" {
				t.Errorf("asked with %q %v", got, err)
			}
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			io.WriteString(w, body)
			w.Header().Set("Grpc-Status", "0")
		}))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		err := health.Probe(t.Context(), health.Check{Type: spec.HealthGRPC, Endpoint: s.Listener.Addr().String(), Service: "x"})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: %v, want %q", body, err, want)
		}
		s.Close()
	}
}

package health

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
)

// grpcMethod is the one call of the standard health service that is made.
const grpcMethod = "/grpc.health.v1.Health/Check"

// maxGRPC is the longest answer that is read: a response is a few bytes.
const maxGRPC = 4 << 10

// servingStatus are the values of HealthCheckResponse.ServingStatus.
var servingStatus = map[uint64]string{0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

// probeGRPC asks the standard health service, on a connection of its own.
func probeGRPC(ctx context.Context, c Check) error {
	conn, err := dial(ctx, c.Endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	var dialed atomic.Bool
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{
		Protocols: protocols, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if dialed.Swap(true) {
				return nil, errors.New("the server closed the connection")
			}
			return conn, nil
		},
	}
	defer t.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Endpoint+grpcMethod, bytes.NewReader(grpcRequest(c.Service)))
	if err != nil {
		return fmt.Errorf("health endpoint %q is no host:port", c.Endpoint)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	r.Header.Set("User-Agent", "core-health")
	answer, err := t.RoundTrip(r)
	if err != nil {
		return grpcError(ctx, c, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("grpc health of %s: status %s: it is no gRPC server", c.Endpoint, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxGRPC))
	if err != nil {
		return grpcError(ctx, c, err)
	}
	// A call that fails at once has its status in the headers.
	status, message := answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	status, message = cmp.Or(answer.Trailer.Get("Grpc-Status"), status), cmp.Or(answer.Trailer.Get("Grpc-Message"), message)
	switch status {
	case "0":
	case "":
		return fmt.Errorf("grpc health of %s: an answer without a status: it is no gRPC server", c.Endpoint)
	case "5":
		return fmt.Errorf("grpc health of %s: the server does not know service %q", c.Endpoint, c.Service)
	case "12":
		return fmt.Errorf("grpc health of %s: the server has no grpc.health.v1 service", c.Endpoint)
	default:
		if text, err := url.PathUnescape(message); err == nil {
			message = text
		}
		return fmt.Errorf("grpc health of %s: code %s: %s", c.Endpoint, status, message)
	}
	value, err := grpcStatus(body)
	switch {
	case err != nil:
		return fmt.Errorf("grpc health of %s: %w", c.Endpoint, err)
	case value != 1:
		return fmt.Errorf("grpc health of %s: %s", c.Endpoint, cmp.Or(servingStatus[value], fmt.Sprintf("status %d", value)))
	}
	return nil
}

// grpcError is the error of a call that had no answer.
func grpcError(ctx context.Context, c Check, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("grpc health of %s: %w", c.Endpoint, timedOut(ctx, err))
}

// grpcRequest is a HealthCheckRequest with the prefix of a gRPC message.
func grpcRequest(service string) []byte {
	var m []byte
	if service != "" {
		m = protowire.AppendTag(m, 1, protowire.BytesType)
		m = protowire.AppendString(m, service)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// grpcStatus reads the status of a HealthCheckResponse with its prefix.
func grpcStatus(b []byte) (uint64, error) {
	if len(b) < 5 || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-5) {
		return 0, errors.New("the answer is no single uncompressed message")
	}
	var status uint64
	for b = b[5:]; len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, fmt.Errorf("read the answer: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if number == 1 && kind == protowire.VarintType {
			if status, n = protowire.ConsumeVarint(b); n >= 0 {
				b = b[n:]
				continue
			}
		} else if n = protowire.ConsumeFieldValue(number, kind, b); n >= 0 {
			b = b[n:]
			continue
		}
		return 0, fmt.Errorf("read the answer: %w", protowire.ParseError(n))
	}
	return status, nil
}

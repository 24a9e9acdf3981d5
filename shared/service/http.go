package service

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newServer bounds what a client may cost before its request is understood.
// There is no bound on a whole request: event streams last.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// handler answers /health, /metrics and then what the service answers.
func (s *Service) handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/health", s.health)
	if o.Settings.MetricsListen == "" {
		mux.Handle("/metrics", metricsHandler(o.Metrics))
	}
	next := o.Handler
	if next == nil {
		next = http.NotFoundHandler()
	}
	mux.Handle("/", measured(o.Metrics, next))
	return mux
}

func metricsHandler(r *prometheus.Registry) http.Handler {
	return onlyRead(promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
}

// measured counts requests by method and status.
func measured(r *prometheus.Registry, next http.Handler) http.Handler {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "core_http_requests_total", Help: "HTTP requests answered, by method and status code.",
	}, []string{"method", "code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "core_http_request_seconds", Help: "Time until a request was answered.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, nil)
	r.MustRegister(requests, seconds)
	return promhttp.InstrumentHandlerDuration(seconds, promhttp.InstrumentHandlerCounter(requests, next))
}

func onlyRead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			WriteError(w, http.StatusMethodNotAllowed, "only GET is possible here")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// health answers /health: 200 from the acknowledged ready fact to the beginning
// of the end, whatever the bus does in between. A service that has been ready
// goes on and reconnects when the bus is lost; to restart it would not help.
type health struct {
	phase atomic.Int32 // starting, serving, stopping
	conn  atomic.Pointer[nats.Conn]
}

const (
	starting int32 = iota
	serving
	stopping
)

func (h *health) ready() { h.phase.CompareAndSwap(starting, serving) }
func (h *health) stop()  { h.phase.Store(stopping) }

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	onlyRead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusServiceUnavailable, struct {
			Status string `json:"status"`
			Bus    string `json:"bus"`
		}{"starting", "waiting"}
		switch h.phase.Load() {
		case serving:
			status, answer.Status = http.StatusOK, "ok"
		case stopping:
			answer.Status = "stopping"
		}
		if nc := h.conn.Load(); nc != nil {
			answer.Bus = "reconnecting"
			if nc.IsConnected() {
				answer.Bus = "connected"
			}
		}
		WriteJSON(w, status, answer)
	})).ServeHTTP(w, r)
}

// WriteJSON answers with a value as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer could not be encoded"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// WriteError answers with an error as JSON: {"error": "…"}.
func WriteError(w http.ResponseWriter, status int, message string) {
	WriteJSON(w, status, struct {
		Error string `json:"error"`
	}{message})
}

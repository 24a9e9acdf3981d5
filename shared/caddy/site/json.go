package site

import (
	"net/http"
	"time"

	"core.internal/shared/events"
)

// The parts of Caddy's JSON configuration that the edge uses. Fields that are
// always written are those whose default would be wrong here.
type (
	config struct {
		Admin   admin   `json:"admin"`
		Logging logging `json:"logging"`
		Storage storage `json:"storage,omitzero"`
		Apps    apps    `json:"apps"`
	}
	// Without an admin block even a rejected configuration opens its TCP port.
	admin struct {
		Disabled bool        `json:"disabled"`
		Config   adminConfig `json:"config"`
	}
	adminConfig struct {
		Persist bool `json:"persist"`
	}
	logging struct {
		Logs map[string]logger `json:"logs"`
	}
	logger struct {
		Level   string   `json:"level"`
		Exclude []string `json:"exclude"`
		Writer  output   `json:"writer"`
		Encoder format   `json:"encoder"`
	}
	output struct {
		Output string `json:"output"`
	}
	format struct {
		Format string `json:"format"`
	}
	storage struct {
		Module string `json:"module"`
		Root   string `json:"root"`
	}
	apps struct {
		HTTP httpApp `json:"http"`
		TLS  tlsApp  `json:"tls"`
	}
	tlsApp struct {
		NoStorageCheck bool `json:"disable_storage_check"`
		NoStorageClean bool `json:"disable_storage_clean"`
	}
	httpApp struct {
		GracePeriod string                `json:"grace_period"`
		Metrics     metrics               `json:"metrics"`
		Servers     map[string]httpServer `json:"servers"`
	}
	metrics    struct{}
	httpServer struct {
		Listen            []string `json:"listen"`
		Protocols         []string `json:"protocols"`
		AutomaticHTTPS    disable  `json:"automatic_https"`
		ReadHeaderTimeout string   `json:"read_header_timeout"`
		IdleTimeout       string   `json:"idle_timeout"`
		Routes            []route  `json:"routes"`
	}
	disable struct {
		Disable bool `json:"disable"`
	}
	routeList struct {
		Routes []route `json:"routes"`
	}
	route struct {
		Match    []match `json:"match,omitempty"`
		Handle   []any   `json:"handle"`
		Terminal bool    `json:"terminal,omitempty"`
	}
	match struct {
		Host   []string            `json:"host,omitempty"`
		Path   []string            `json:"path,omitempty"`
		Method []string            `json:"method,omitempty"`
		Vars   map[string][]string `json:"vars,omitempty"`
	}
	subroute struct {
		Handler string     `json:"handler"`
		Routes  []route    `json:"routes"`
		Errors  *routeList `json:"errors,omitempty"`
	}
	table struct {
		Handler string `json:"handler"`
	}
	counted struct {
		Handler string        `json:"handler"`
		Service events.Entity `json:"service"`
	}
	noticePage struct {
		Handler string `json:"handler"`
		Page
	}
	staticError struct {
		Handler    string `json:"handler"`
		Error      string `json:"error"`
		StatusCode string `json:"status_code"`
	}
	staticResponse struct {
		Handler    string      `json:"handler"`
		StatusCode int         `json:"status_code"`
		Headers    http.Header `json:"headers"`
		Body       string      `json:"body"`
	}
	reverseProxy struct {
		Handler          string         `json:"handler"`
		Upstreams        []upstream     `json:"upstreams"`
		FlushInterval    int            `json:"flush_interval"` // -1: at once, for server-sent events
		StreamCloseDelay string         `json:"stream_close_delay"`
		Transport        transport      `json:"transport"`
		LoadBalancing    *loadBalancing `json:"load_balancing,omitempty"`
		HealthChecks     *healthChecks  `json:"health_checks,omitempty"`
	}
	upstream struct {
		Dial string `json:"dial"`
	}
	transport struct {
		Protocol    string `json:"protocol"`
		DialTimeout string `json:"dial_timeout"`
	}
	loadBalancing struct {
		Selection selection `json:"selection_policy"`
		Retries   int       `json:"retries"`
		// RetryMatch: of requests that an upstream had taken, only these.
		RetryMatch []match `json:"retry_match"`
	}
	selection struct {
		Policy string `json:"policy"`
	}
	healthChecks struct {
		Active  *healthCheck `json:"active,omitempty"`
		Passive *passive     `json:"passive,omitempty"`
	}
	passive struct {
		FailDuration string `json:"fail_duration"`
	}
	healthCheck struct {
		URI      string `json:"uri"`
		Interval string `json:"interval"`
		Timeout  string `json:"timeout"`
	}
)

func milliseconds(n int64) string { return (time.Duration(n) * time.Millisecond).String() }

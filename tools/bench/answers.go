package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// services are services that do nothing, and how they are checked.
type services struct {
	n     int
	every time.Duration
	check string
}

// idleCommand is what needs least of a machine.
var idleCommand = []string{"/bin/sleep", "86400"}

// answers answer the health checks of services, a port for each: in this process,
// so that what the checks cost there is not taken for the node's.
type answers struct {
	services
	listeners []net.Listener
	server    http.Server
}

func newAnswers(s services) (*answers, error) {
	a := &answers{services: s}
	a.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	if s.every == 0 || s.check == "exec" {
		return a, nil
	}
	if s.check != "http" && s.check != "tcp" {
		return nil, fmt.Errorf("-check %q: want http, tcp or exec", s.check)
	}
	for range s.n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			a.close()
			return nil, err
		}
		a.listeners = append(a.listeners, l)
		go a.server.Serve(l) // until close
	}
	return a, nil
}

func (a *answers) close() error { return a.server.Close() }

// writeSpecs makes a directory with the specs of the services.
func (a *answers) writeSpecs(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var errs error
	for i := range a.n {
		spec := daemonSpec(idleCommand)
		if a.every > 0 {
			health := member{"type": a.check, "interval": a.every.String()}
			switch a.check {
			case "exec":
				health["command"] = []string{"/bin/true"}
			case "http":
				health["endpoint"] = fmt.Sprintf("http://%s/", a.listeners[i].Addr())
			case "tcp":
				health["endpoint"] = a.listeners[i].Addr().String()
			}
			spec["health"] = health
		}
		errs = errors.Join(errs, writeSpec(dir, serviceName(i), spec))
	}
	return errs
}

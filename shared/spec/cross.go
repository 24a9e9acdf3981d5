package spec

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"core.internal/shared/events"
)

// failure reports what is wrong with a field.
type failure func(field, want, format string, args ...any)

// checkProcess is about members that exclude each other.
func (s Located) checkProcess(fail failure) {
	p := s.Process
	again := p.RestartPolicy.Policy == RestartAlways
	if again && (p.Type == TypeOneshot || p.Type == TypeCron) {
		fail("process.restartPolicy", alternatives([]string{string(RestartOnFailure), string(RestartNever)}), "%q is not for type %q, which ends when it is done", RestartAlways, p.Type)
	}
	if b := p.RestartPolicy; b.InitialBackoff.Or(100e6) > b.MaxBackoff.Or(30e9) {
		fail("process.restartPolicy", "initialBackoff not above maxBackoff", "the first pause, %s, is longer than the longest, %s", b.InitialBackoff.Or(100e6), b.MaxBackoff.Or(30e9))
	}
	if r := p.Resources; r != nil && r.MemoryMax > 0 && r.MemoryHigh > r.MemoryMax {
		fail("process.resources.memoryHigh", "not more than memoryMax", "%s is more than memoryMax, %s", r.MemoryHigh, r.MemoryMax)
	}
	for i, d := range s.Dependencies {
		if platformPart(d.Service) && d.Condition != "" && d.Condition != Ready {
			fail(element("dependencies", i)+".condition", fmt.Sprintf("%q", Ready), "%q is not for %q: a part of the platform is ready or not", d.Condition, d.Service)
		}
	}
	if p.Replicas > 1 {
		s.checkReplicas(fail)
	}
}

// checkReplicas is about what several processes of one spec cannot share.
func (s Located) checkReplicas(fail failure) {
	n := s.Process.Replicas
	if s.Process.Type == TypeCron {
		fail("process.replicas", "1", "%d replicas are not for type %q", n, TypeCron)
	}
	if last := ReplicaID(s.ID, n-1); rejectID(string(last)) != "" {
		fail("id", fmt.Sprintf("an id of at most %d characters", 64-len(strconv.Itoa(n-1))-1), "the id of the last replica, %q, is too long", last)
	}
	for _, log := range []struct{ name, file string }{{"stdout", s.Logging.Stdout}, {"stderr", s.Logging.Stderr}} {
		if log.file != "" && !strings.Contains(log.file, "{replica}") && !strings.Contains(log.file, "{service.id}") {
			fail("logging."+log.name, "{replica} or {service.id} in its name", "%d replicas would write one file", n)
		}
	}
}

// checkRange is about a port's number and its range.
func (s Located) checkRange(fail failure, p Port, at string) {
	n := s.Process.Replicas
	first, last, ok := p.Bounds()
	switch {
	case ok && p.Port != 0:
		fail(at+".range", "a port or a range", "a range beside the port %d", p.Port)
	case ok && last-first+1 < n:
		fail(at+".range", fmt.Sprintf("%d or more", n), "the range has %d ports for %d replicas", last-first+1, n)
	case !ok && n > 1 && p.Port != 0:
		fail(at+".port", "0 for any free one, or a range", "%d replicas cannot have one port", n)
	}
}

func (s Located) checkPorts(fail failure) {
	names, numbers := map[string]string{}, map[string]string{}
	for i, p := range s.AllPorts() {
		at := "ports.primary"
		if s.Ports.Primary == nil {
			i++
		}
		if i > 0 {
			at = element("ports.additional", i-1)
		}
		if first, twice := names[p.Name]; twice {
			fail(at+".name", "a name of its own", "%q is the name of %s already", p.Name, first)
		}
		names[p.Name] = at
		s.checkRange(fail, p.Port, at)
		if p.Port.Port == 0 {
			continue
		}
		number := p.key()
		if first, twice := numbers[number]; twice {
			fail(at+".port", "a port of its own", "%s is the port of %s already", number, first)
		}
		numbers[number] = at
	}
}

// checkHealth is about the checks beside each other and the ports.
func (s Located) checkHealth(fail failure) {
	for _, p := range s.Health.probes() {
		asks := p.Type == HealthHTTP || p.Type == HealthTCP || p.Type == HealthGRPC
		if asks && !s.has(p.at+".endpoint") && s.Ports.Primary == nil {
			fail(p.at+".endpoint", "", "missing: the service has no primary port to ask instead")
		}
		if window := p.Interval.Or(5*time.Second) + p.Timeout.Or(3*time.Second); p.Type == HealthBus && window <= events.HeartbeatPause {
			fail(p.at+".timeout", "longer ones", "interval and timeout are %s together, and heartbeats come every %s: one is missed each time", window, events.HeartbeatPause)
		}
	}
	if s.Health.Liveness != nil && s.Health.Liveness.Type == HealthLog {
		fail("health.liveness.type", "another type, or log for readiness", `"log" is not for liveness: a line says that the service was ready once, not that it lives`)
	}
}

func (s Located) checkExposure(fail failure) {
	if s.Caddy.Expose && len(s.Caddy.Routes) == 0 && s.Ports.Primary == nil {
		fail("caddy.routes", "", "missing: the service has no primary port to forward to")
	}
	for i, r := range s.Caddy.Routes {
		at := element("caddy.routes", i)
		kinds := map[string]string{}
		for j, text := range r.Match {
			m, _ := parseMatch(text) // its form is known to be right
			field := element(at+".match", j)
			if first, twice := kinds[m.kind]; twice {
				fail(field, fmt.Sprintf("all values in one %s(…)", m.kind), "a second %s matcher beside %s", m.kind, first)
			}
			kinds[m.kind] = field
		}
		for j, h := range r.Handle {
			if field := element(at+".handle", j) + ".upstreams"; len(h.Upstreams) == 0 && s.Ports.Primary == nil {
				fail(field, "", "missing: the service has no primary port to forward to")
			}
		}
	}
}

// Package health probes running services and says when one becomes healthy or
// unhealthy.
//
// # Usage
//
//	p := health.New(health.Options{Report: func(id, instance string, v health.Verdict) { … }})
//	go p.Run(ctx)
//	p.Add("alpha", instance, health.Check{Type: spec.HealthHTTP, Endpoint: "http://127.0.0.1:9121/health"})
//	p.Remove("alpha", instance)
//
// The first probe comes at once. Until the first success they come quickly,
// beginning a few milliseconds apart, so that a service is known healthy soon
// after it is; from then on they come at the check's interval. Only a change of
// the verdict is reported: [Tracker] is the rule, and pure.
//
// # Cost
//
// One goroutine keeps all checks in a queue by time; a probe borrows one of a
// few workers and no check has a goroutine of its own. An http probe is one
// request on a connection of its own, so it tests that the service accepts
// connections and keeps none open in it. Redirects are not followed.
//
// # Concurrency
//
// All methods may be called by several goroutines. Report is called by workers,
// one call at a time for one instance, never after Remove has returned for it
// and Run's goroutines have noticed; who cares compares the instance.
//
// # Testing
//
// The tracker has tables; the prober is tested against real listeners, and its
// timing in virtual time.
package health

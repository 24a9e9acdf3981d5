// Package health probes running services and says when one becomes healthy or
// unhealthy.
//
// # Usage
//
//	p := health.New(health.Options{Report: func(t health.Target, v health.Verdict) { … }})
//	go p.Run(ctx)
//	p.Add(health.Target{ID: "alpha", Instance: instance, Purpose: health.Whole}, check, false)
//	p.Remove("alpha", instance)
//
// The first probe comes at once. Until the first success they come quickly,
// beginning a few milliseconds apart, so that a service is known healthy soon
// after it is; from then on they come at the check's interval. Only a change of
// the verdict is reported, and once, as an early one, what an instance lacks whose
// start takes longer than [StartsLate]: [Tracker] is the rule, and pure.
//
// A check of type bus asks [Options.Beats] for the last heartbeat; while the bus
// is away, and until a heartbeat may have come since, it says nothing. One of type
// log waits for [Prober.Told].
//
// # Cost
//
// One goroutine keeps all checks in a queue by time; a probe borrows one of a
// few workers and no check has a goroutine of its own. One that is not answered
// soon gives its worker back and waits, so endpoints that hang delay no others. An
// http or grpc probe is one request on a connection of its own, so it tests that
// the service accepts connections and keeps none open in it. Redirects are not
// followed.
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
//
// # Sources
//
// grpc.health.v1 and the gRPC protocol over HTTP/2 (grpc/doc, health-checking.md
// and PROTOCOL-HTTP2.md), spoken with net/http: no daemon links grpc-go for it.
package health

// Package testservice runs services that link shared/service on a test's bus, and
// holds their specs against what their binaries need.
//
// # Usage
//
//	r := testservice.Run(t, service.Options{ID: "alpha", Settings: testservice.Settings(b, "alpha"), Work: work})
//	status, body := r.Get("/health")
//
// # Concurrency
//
// The methods of a [Running] may be called from several goroutines, but Stop.
//
// # Testing
//
// The package is for tests only. What it starts ends with the test.
package testservice

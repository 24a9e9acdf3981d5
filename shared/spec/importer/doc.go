// Package importer turns the configuration of other supervisors into service
// specs: a Procfile, process-compose, supervisord, systemd units and Compose.
//
// # Usage
//
//	result, err := importer.Import(importer.Procfile, []importer.Document{{File: "Procfile", Dir: dir, Data: b}}, importer.Options{})
//	for _, s := range result.Services {
//		b, err := importer.Encode(s.Service)
//	}
//
// It is data in, data out: nothing is read but what is passed in, and nothing
// is written. What a document that refers to others needs is passed beside it.
//
// # What is promised
//
// Nothing is dropped silently. Each directive is carried over, or is in a [Note]
// that names its line, the reason and what to do; one that is carried over with
// another meaning is in both. Only what the other tool passes over itself is
// passed over here, comments and what begins with "x-" or "X-", and the number of
// the format's version.
//
// Every result passes [spec.ParseLocated], and all of them together
// [spec.Check]. It cannot be otherwise: each directive is tried on a copy of the
// spec, and one that makes it invalid is taken back and noted. Documents that
// are malformed are errors, each an [*spec.Error] with its place.
//
// # Concurrency
//
// All functions may be called by several goroutines.
//
// # Testing
//
// testdata has an archive for each format: documents, and what becomes of them.
// go test core.internal/shared/spec/importer -update rewrites them. Every format
// has a fuzz target.
//
// # Sources
//
// Procfile: goreman and foreman. Shell: POSIX.1-2017, as mvdan.cc/sh reads it.
// process-compose: its v1 documentation. supervisord: its 4.2 documentation.
// systemd: systemd.unit(5), systemd.service(5), systemd.exec(5),
// systemd.resource-control(5), systemd.timer(5), systemd.time(7). Compose: the
// Compose Specification. Their INI dialects are read here because no library
// for them tells lines, which notes need.
package importer

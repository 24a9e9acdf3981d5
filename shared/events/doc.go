// Package events is the platform's vocabulary on the bus: identifiers,
// subjects, streams and buckets, the envelope, the typed facts and commands,
// and the contract of an append-only log with an in-memory implementation.
//
// # Usage
//
// A fact is a payload type of this package wrapped in an [Envelope]:
//
//	e, err := events.New(events.Header{ID: id, Time: now, Node: "local", Source: events.Procd, Entity: "alpha"},
//		events.ServiceHealthy{Instance: "…"})
//	subject := e.Subject() // core.event.local.procd.alpha.healthy
//
// [Decode] is its strict inverse: an unknown field, type or version, a token
// that is no token, or too many bytes are errors of type [*DecodeError]. A
// payload is read with [Payload] or, where the type is known, with [As].
//
// Subjects, stream and bucket names are built here and nowhere else.
//
// # Names never change
//
// A stored name or the meaning of a stored field never changes; a new meaning
// is a new type or a new version. Facts carry absolute values (a restart count,
// not "one more"), so that the latest fact of each type of an entity is enough
// to rebuild it: that is what a publisher repeats to a bus that lost its memory.
//
// # Concurrency
//
// All values are plain data. [MemLog] may be used by several goroutines.
//
// # Testing
//
// Package logtest holds the suite that every [Log] passes.
package events

// Package bus is the client side of the platform's bus: connections, the fact
// log, the outbox, followers, the view of a node's state, commands, log lines,
// presence and keys. The server is in package server, its only importer.
//
// # Usage
//
//	conn, err := bus.Connect(ctx, bus.Options{URL: "nats://127.0.0.1:4222", Name: "alpha", Seed: "keys/alpha.nk"})
//	facts := bus.NewPublisher(bus.PublisherOptions{Node: "local", Source: "alpha"})
//	go facts.Run(ctx, conn)
//	facts.State("alpha", events.DaemonReady{…}, "")
//
//	err = conn.Follow(ctx, bus.Follow{Stream: events.StreamEvents, Filter: events.AllFacts}, fold)
//
// # What a bus may do
//
// It may go away, come back, and come back without its memory (a memory store
// whose server was killed). A [Conn] reconnects for ever. What reads begins
// again at a stream's beginning after telling so ([Follow].Reset); what writes
// repeats what the state of a node rests on ([Publisher]). A stream is another
// one when its creation time is another, or when it lacks a record that was read
// from it.
//
// # Concurrency
//
// [Conn], [Publisher] and [View] may be used by several goroutines. Nothing
// runs in the background but what nats.go runs for a connection, the timer that
// ends a [Publisher.Hold], and what a caller runs: Run, Follow, ServeCommands,
// Heartbeat and KeepAside block until their context ends and leave no goroutine
// behind.
//
// # Testing
//
// Everything here is tested against a real server of package server, killed and
// restarted where that is the point; there is no fake bus. events.MemLog is the
// log without a bus.
//
// # Sources
//
// The wire format of JetStream's API is that of github.com/nats-io/nats.go;
// ADR-8 (key-value), ADR-37 (client) and ADR-43 (per-message TTL) of
// nats-io/nats-architecture-and-design.
package bus

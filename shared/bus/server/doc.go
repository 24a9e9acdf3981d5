// Package server is the bus itself: an embedded NATS server with JetStream. It is
// the only package that imports nats-server.
//
// # Usage
//
//	s, err := server.New(server.Config{Node: "local", Listen: "127.0.0.1:4222", Keys: "…/keys"})
//	go s.Run(ctx)
//	<-s.Ready()
//	conn, err := bus.Connect(ctx, bus.Options{Name: "busd", Seed: "…/keys/busd.nk", InProcess: s})
//
// The port opens after the platform's streams and buckets exist: nobody meets a
// bus without them.
//
// # Who may do what
//
// Everybody has a user nkey; its public key is a file <source>.pub in the key
// directory and is looked up there at each connection: a credential is good from
// the moment its file is there, without a reload, and connections end when the
// file goes. The source's name gives its rights: see [Permissions]. What is
// turned away is told to [Config].Refused, at most once a second.
//
// A source that may create consumers decides where their messages are delivered,
// which no permission of NATS limits: the rights keep honest services apart and
// hold a stolen credential to reading facts, its own facts and its own bucket,
// but they are no sandbox for hostile code on the node.
//
// # Concurrency
//
// [Server.Run] blocks; everything that it started has ended when it returns.
//
// # Testing
//
// Tests run it on port 0 or without a port, with a memory or a file store in a
// temporary directory.
//
// # Sources
//
// github.com/nats-io/nats-server configuration and monitoring structures.
package server

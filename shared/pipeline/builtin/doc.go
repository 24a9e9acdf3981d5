// Package builtin is the set of pipelines that come with the platform.
//
// # Usage
//
// pipelined runs what [Registry] has; shells list what [Describe] says, without
// asking a daemon:
//
//	registry, err := builtin.Registry(builtin.Options{Workspace: builtin.Workspace(node), Data: dir})
//
// # Concurrency
//
// Everything may be called by several goroutines.
//
// # Testing
//
// The pipelines are tested in their own packages, with real tools.
package builtin

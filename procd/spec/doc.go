// Package spec is procd's registry: the service specs of the node, and what
// operators want of them, as the bus has both.
//
// # Usage
//
// [Load] reads the specs. A [Registry] keeps two buckets in step with what procd
// knows: core_specs with the spec of each service, core_desired with what
// operators decided. It reads what they had before ([Registry.Read]), takes
// changes without blocking, and writes all again to a bus that lost its memory.
//
// What operators decided has its record in a file of the node directory
// ([config.Decisions]), which [Registry.Decide] writes before it returns; of the
// file and the bucket the later one is right when procd begins.
//
// # Concurrency
//
// A Registry may be used by several goroutines; Run writes.
//
// # Testing
//
// Against a bus of shared/bus/server that is ended and begun anew, and a file
// system without room.
package spec

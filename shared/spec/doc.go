// Package spec is the schema of service specs: JSON documents that say what a
// service is, where its binary comes from, how it runs, which ports it has, how
// its health is known and how the edge exposes it. Specs are data: there is no
// shell in them.
//
// # Usage
//
//	specs, err := spec.Load(spec.Dirs{Workspace: ".", Root: ".core", Extra: dirs})
//	err = spec.Check(specs)
//	specs, err = spec.Order(specs)
//	resolved, err := specs[0].Resolve(spec.Vars{Bin: …, Ports: map[string]int{"primary": 8080}})
//	routes := resolved.EventRoutes()
//
// Decoding is strict: unknown members, members that are there twice, null,
// values of another type or outside an enumeration are errors. Every error is
// an [*Error] with file, line, column and field; those of one document, or of all
// documents, are joined. What a spec may say and a build cannot do yet is for
// [Supported] to tell, so that such a spec can be listed but not enabled.
//
// [Schema] is the JSON Schema and [Reference] the documentation, both made from
// the types of spec.go and their comments.
//
// # Concurrency
//
// All values are plain data and all functions may be called by several
// goroutines. Resolve copies.
//
// # Testing
//
// go test core.internal/shared/spec -update rewrites what is generated in
// docs/specs.md and in testdata. Parse, placeholders, matchers and durations have
// fuzz targets.
//
// # Sources
//
// JSON: RFC 8259. JSON Schema: draft 2020-12. Durations: [time.ParseDuration]
// and whole days.
package spec

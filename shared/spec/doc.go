// Package spec is the schema of service specs: JSON documents that say what a
// service is, where its binary comes from, how it runs, which ports it has, how
// its health is known and how the edge exposes it. Specs are data: there is no
// shell in them.
//
// # Usage
//
//	specs, err := spec.Load(spec.Dirs{Workspace: ".", Root: ".core", Extra: dirs})
//	err = spec.Check(specs)
//	specs, err = spec.Order(spec.WithReplicas(specs))
//	resolved, err := specs[0].Resolve(spec.Vars{Bin: …, Ports: map[string]int{"primary": 8080}})
//	routes := resolved.EventRoutes()
//
// Decoding is strict: unknown members, members that are there twice, null,
// values of another type or outside an enumeration are errors. Every error is
// an [*Error] with file, line, column and field; those of one document, or of all
// documents, are joined. What a spec may say, every build of this version does.
//
// Some values have several forms: an object that a text is short for, a size
// that is a number or a text. All forms of one value have one digest.
//
// Secrets are placeholders, which [Located.Resolve] looks up in Vars.Secrets and
// [Located.Redacted] leaves as they are. They may stand only where nothing is
// registered, logged or shown; a resolved spec that has them is for its process
// alone.
//
// [Plan] compares what is in force with what was read again.
//
// [Schema] is the JSON Schema and [Reference] the documentation, both made from
// the types of spec.go, process.go, ensure.go, logging.go, health.go and
// dependency.go and their comments.
//
// # Concurrency
//
// All values are plain data and all functions may be called by several
// goroutines. Resolve copies.
//
// # Testing
//
// go test core.internal/shared/spec -update rewrites what is generated in
// docs/specs.md and in testdata. Parse, placeholders and the forms of single
// values have fuzz targets.
//
// # Sources
//
// JSON: RFC 8259. JSON Schema: draft 2020-12. Durations: [time.ParseDuration]
// and whole days. Schedules: crontab(5), as github.com/robfig/cron reads it.
// Control groups: the kernel's cgroup-v2 documentation.
package spec

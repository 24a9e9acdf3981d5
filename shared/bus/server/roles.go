package server

import (
	"slices"

	"core.internal/shared/events"
)

// Rights are the subjects that a source may publish to and subscribe to.
type Rights struct {
	Publish, Subscribe []string
}

// Permissions returns the rights of a source on a node. A name that is no
// daemon's or shell's is a service's.
func Permissions(node events.Node, s events.Source) Rights {
	var r rights
	switch s {
	case events.Busd:
		r.publish(">")
		r.subscribe(">")
		return Rights(r)
	case events.Launcher:
		r.everyone(node, s)
		r.shell()
		r.target(node, s)
		r.write(events.BucketDesired, events.BucketSpecs, events.BucketLeases, events.BucketSnapshots)
		r.publish(events.LogSubject(events.Node(events.Any), events.Any, events.Any))
	case events.Procd:
		r.everyone(node, s)
		r.shell()
		r.target(node, s)
		r.write(events.BucketDesired, events.BucketSpecs, events.BucketLeases, events.BucketSnapshots)
		r.publish(events.LogSubject(node, events.Any, events.Any), events.KVSubject(events.BucketPresence, events.UsageKey(node, s)))
	case events.Pipelined:
		r.everyone(node, s)
		r.target(node, s)
		r.read(events.StreamRuns, events.StreamLogs)
		r.publish(events.AllRuns, events.LogSubject(node, events.Any, events.Any))
		r.write(events.BucketLeases)
		r.buckets(events.BucketPresence, events.BucketSnapshots)
		r.objects(events.ObjectsArtifacts)
	case events.Caddyd:
		r.everyone(node, s)
		r.target(node, s)
		r.write(events.BucketCerts, events.BucketRoutes, events.BucketLeases)
		r.buckets(events.BucketPresence, events.BucketSnapshots)
	case events.Operator:
		r.everyone(node, s)
		r.shell()
	case events.Console:
		r.everyone(node, s)
		r.shell()
		r.own(s)
	default:
		r.everyone(node, s)
		r.own(s)
	}
	slices.Sort(r.Publish)
	r.Publish = slices.Compact(r.Publish)
	return Rights(r)
}

// IsService reports whether a source has the rights of a service, and so a
// bucket of its own.
func IsService(s events.Source) bool {
	switch s {
	case events.Launcher, events.Busd, events.Caddyd, events.Procd, events.Pipelined, events.Operator:
		return false
	}
	return true
}

type rights Rights

func (r *rights) publish(subjects ...events.Subject) {
	for _, s := range subjects {
		r.Publish = append(r.Publish, string(s))
	}
}

func (r *rights) subscribe(subjects ...events.Subject) {
	for _, s := range subjects {
		r.Subscribe = append(r.Subscribe, string(s))
	}
}

// everyone reads facts and its replies, and states its own facts, lines and
// presence.
func (r *rights) everyone(node events.Node, s events.Source) {
	r.subscribe(events.Inbox(s))
	r.publish(
		events.StreamAPI("INFO"),
		events.FactSubject(node, s, events.Any, events.Any),
		events.LogSubject(node, events.Entity(s), events.Any),
		events.PresenceSubject(node, s),
	)
	r.read(events.StreamEvents)
}

// read allows reading a stream through consumers and single messages.
func (r *rights) read(streams ...string) {
	for _, s := range streams {
		r.publish(
			events.StreamAPI("STREAM.INFO", s),
			events.StreamAPI("STREAM.MSG.GET", s),
			events.StreamAPI("CONSUMER.CREATE", s, ">"),
			events.StreamAPI("CONSUMER.INFO", s, events.Any),
			events.StreamAPI("CONSUMER.DELETE", s, events.Any),
			events.StreamAPI("CONSUMER.RESET", s, events.Any),
			events.StreamAPI("CONSUMER.MSG.NEXT", s, events.Any),
			events.AckSubject(s, events.Any),
			events.FlowSubject(s),
		)
	}
}

// buckets allows reading buckets.
func (r *rights) buckets(names ...string) {
	for _, b := range names {
		r.read(events.KVStream(b))
	}
}

// write allows reading and writing buckets.
func (r *rights) write(names ...string) {
	r.buckets(names...)
	for _, b := range names {
		r.publish(events.BucketSubject(b), events.StreamAPI("STREAM.PURGE", events.KVStream(b)))
	}
}

// own is a service's own bucket.
func (r *rights) own(s events.Source) { r.write(events.ServiceBucket(events.Entity(s))) }

// objects allows reading and writing an object store.
func (r *rights) objects(name string) {
	stream := events.ObjectStream(name)
	r.read(stream)
	for _, s := range events.ObjectSubjects(name) {
		r.publish(events.Subject(s))
	}
	r.publish(events.StreamAPI("STREAM.PURGE", stream))
}

// target takes the commands for a source off the queue.
func (r *rights) target(node events.Node, s events.Source) {
	queue, durable := events.StreamCommands, events.Durable(node, s)
	r.publish(
		events.StreamAPI("STREAM.INFO", queue),
		events.StreamAPI("CONSUMER.CREATE", queue, durable, string(events.TargetCommands(node, s))),
		events.StreamAPI("CONSUMER.INFO", queue, durable),
		events.StreamAPI("CONSUMER.RESET", queue, durable),
		events.StreamAPI("CONSUMER.MSG.NEXT", queue, durable),
		events.AckSubject(queue, durable),
	)
}

// shell sends commands and reads everything but certificates and the buckets of
// services.
func (r *rights) shell() {
	r.publish(events.AllCommands, events.StreamAPI("STREAM.INFO", events.StreamCommands))
	r.read(events.StreamLogs, events.StreamRuns)
	r.buckets(events.BucketDesired, events.BucketSpecs, events.BucketSnapshots, events.BucketPresence, events.BucketLeases, events.BucketRoutes)
}

package events

import (
	"fmt"
	"strings"
)

// Subject is a NATS subject, or a filter over subjects where it has wildcards.
type Subject string

// The roots of the four subject trees.
const (
	rootFact    = "core.event"
	rootCommand = "core.command"
	rootLog     = "core.log"
	rootRun     = "core.run"
)

// Streams of the platform.
const (
	StreamEvents   = "CORE_EVENTS"   // facts; limits by age and bytes
	StreamCommands = "CORE_COMMANDS" // requests; a work queue
	StreamLogs     = "CORE_LOGS"     // log lines; small limits per subject
	StreamRuns     = "CORE_RUNS"     // the journal of pipeline runs
)

// Buckets of the platform.
const (
	BucketDesired   = "core_desired"   // what operators want
	BucketSpecs     = "core_specs"     // registered service specs
	BucketSnapshots = "core_snapshots" // fold and sequence
	BucketPresence  = "core_presence"  // heartbeats with a TTL
	BucketLeases    = "core_leases"    // locks and leadership
	BucketCerts     = "core_certs"     // certificate storage
	BucketRoutes    = "core_routes"    // routes as the edge serves them
	// ObjectsArtifacts is an object store, not a key-value bucket.
	ObjectsArtifacts = "core_artifacts"
)

// ServiceBucket is the key-value bucket that belongs to one service alone.
func ServiceBucket(service Entity) string { return "svc_" + string(service) }

// Any in the place of a token matches every token there.
const Any = "*"

// FactSubject is the subject of one fact; an [Any] in a place makes it a filter.
func FactSubject(n Node, s Source, e Entity, f Fact) Subject {
	return join(rootFact, string(n), string(s), string(e), string(f))
}

// EntityFacts filters every fact that one source states about one entity: the
// scope of an expected last sequence.
func EntityFacts(n Node, s Source, e Entity) Subject { return FactSubject(n, s, e, Any) }

// CommandSubject is the subject of one request.
func CommandSubject(n Node, target Source, e Entity, v Verb) Subject {
	return join(rootCommand, string(n), string(target), string(e), string(v))
}

// LogSubject is the subject of the lines that an entity writes to one stream,
// "stdout" or "stderr" for a process, the step's name for a pipeline run.
func LogSubject(n Node, e Entity, stream string) Subject {
	return join(rootLog, string(n), string(e), stream)
}

// RunSubject is the subject of one entry in a pipeline run's journal.
func RunSubject(pipeline, run, step string, what Fact) Subject {
	return join(rootRun, pipeline, run, step, string(what))
}

// All filters a whole tree.
var (
	AllFacts    = Subject(rootFact + ".>")
	AllCommands = Subject(rootCommand + ".>")
	AllLogs     = Subject(rootLog + ".>")
	AllRuns     = Subject(rootRun + ".>")
)

// NodeFacts filters every fact of one node.
func NodeFacts(n Node) Subject { return join(rootFact, string(n), ">") }

// SourceFacts filters every fact that one source of one node states.
func SourceFacts(n Node, s Source) Subject { return join(rootFact, string(n), string(s), ">") }

// TargetCommands filters every command to one target on one node.
func TargetCommands(n Node, target Source) Subject {
	return join(rootCommand, string(n), string(target), ">")
}

// EntityLogs filters the lines of one entity on all its streams.
func EntityLogs(n Node, e Entity) Subject { return LogSubject(n, e, Any) }

// PresenceKey is the key of one source's heartbeat in [BucketPresence].
func PresenceKey(n Node, s Source) string { return string(n) + "." + string(s) }

// PresenceSubject is the subject behind that key: a message there is a heartbeat.
func PresenceSubject(n Node, s Source) Subject { return KVSubject(BucketPresence, PresenceKey(n, s)) }

// UsageKey is the key in [BucketPresence] of what a supervisor's processes use,
// see [Usage].
func UsageKey(n Node, s Source) string { return PresenceKey(n, s) + ".usage" }

// ParsePresenceSubject returns whose heartbeat the subject behind a key of
// [BucketPresence] is.
func ParsePresenceSubject(s Subject) (Node, Source, error) {
	rest, ok := strings.CutPrefix(string(s), string(KVSubject(BucketPresence, "")))
	n, source, dot := strings.Cut(rest, ".")
	if !ok || !dot || CheckToken(n) != nil || CheckToken(source) != nil {
		return "", "", fmt.Errorf("subject %q: want %s<node>.<source>", s, KVSubject(BucketPresence, ""))
	}
	return Node(n), Source(source), nil
}

// DesiredKey is the key of one service in [BucketDesired], [BucketSpecs] and
// [BucketRoutes].
func DesiredKey(n Node, service Entity) string { return string(n) + "." + string(service) }

// SnapshotKey is the key of a node's fold in [BucketSnapshots].
func SnapshotKey(n Node) string { return string(n) }

// KVSubject is the subject behind a key of a bucket, for permissions.
func KVSubject(bucket, key string) Subject { return join("$KV", bucket, key) }

// KVStream is the stream behind a bucket.
func KVStream(bucket string) string { return "KV_" + bucket }

// Durable is the name of the durable consumer with which a target on a node
// takes its commands.
func Durable(n Node, target Source) string { return string(n) + "-" + string(target) }

func join(tokens ...string) Subject { return Subject(strings.Join(tokens, ".")) }

// CommandAddress is where a command was sent to.
type CommandAddress struct {
	Node   Node
	Target Source
	Entity Entity
	Verb   Verb
}

// ParseCommandSubject takes a command's subject apart.
func ParseCommandSubject(s string) (CommandAddress, error) {
	p, err := split(s, rootCommand)
	if err != nil {
		return CommandAddress{}, err
	}
	return CommandAddress{Node(p[0]), Source(p[1]), Entity(p[2]), Verb(p[3])}, nil
}

// FactAddress is where a fact stands.
type FactAddress struct {
	Node   Node
	Source Source
	Entity Entity
	Fact   Fact
}

// ParseFactSubject takes a fact's subject apart.
func ParseFactSubject(s string) (FactAddress, error) {
	p, err := split(s, rootFact)
	if err != nil {
		return FactAddress{}, err
	}
	return FactAddress{Node(p[0]), Source(p[1]), Entity(p[2]), Fact(p[3])}, nil
}

// LogAddress is where a log line stands.
type LogAddress struct {
	Node   Node
	Entity Entity
	Stream string
}

// ParseLogSubject takes a log line's subject apart.
func ParseLogSubject(s string) (LogAddress, error) {
	rest, ok := strings.CutPrefix(s, rootLog+".")
	p := strings.Split(rest, ".")
	if !ok || len(p) != 3 {
		return LogAddress{}, fmt.Errorf("subject %q: want %s.<node>.<entity>.<stream>", s, rootLog)
	}
	return LogAddress{Node(p[0]), Entity(p[1]), p[2]}, nil
}

func split(s, root string) ([]string, error) {
	rest, ok := strings.CutPrefix(s, root+".")
	p := strings.Split(rest, ".")
	if !ok || len(p) != 4 {
		return nil, fmt.Errorf("subject %q: want %s followed by four tokens", s, root)
	}
	for _, t := range p {
		if err := CheckToken(t); err != nil {
			return nil, fmt.Errorf("subject %q: %w", s, err)
		}
	}
	return p, nil
}

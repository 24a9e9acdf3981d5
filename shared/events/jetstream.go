package events

// JetStream's own subjects, for permissions: what a client publishes to ask
// something of a stream or bucket.

// InboxPrefix is where replies to a source arrive: it may read no other inbox.
func InboxPrefix(s Source) string { return "_INBOX_" + string(s) }

// Inbox filters all replies to a source.
func Inbox(s Source) Subject { return join(InboxPrefix(s), ">") }

// StreamAPI is the subject of one operation of JetStream's API, as in
// StreamAPI("STREAM.INFO", StreamEvents).
func StreamAPI(operation string, tokens ...string) Subject {
	return join(append([]string{"$JS.API", operation}, tokens...)...)
}

// AckSubject filters the acknowledgements of one consumer's messages.
func AckSubject(stream, consumer string) Subject { return join("$JS.ACK", stream, consumer, ">") }

// FlowSubject filters the flow-control replies of a stream's consumers.
func FlowSubject(stream string) Subject { return join("$JS.FC", stream, ">") }

// ObjectSubjects filters everything in an object store: its chunks and its
// descriptions.
func ObjectSubjects(bucket string) []string {
	return []string{string(join("$O", bucket, "C", ">")), string(join("$O", bucket, "M", ">"))}
}

// ObjectStream is the stream behind an object store.
func ObjectStream(bucket string) string { return "OBJ_" + bucket }

// BucketSubject filters every key of a bucket.
func BucketSubject(bucket string) Subject { return KVSubject(bucket, ">") }

// Package lock is the lock file of dependencies, core.lock.json: what exactly is
// installed for each dependency on each platform.
//
// # Usage
//
//	file, err := lock.Read("core.lock.json")
//	asset, ok := file.Find(id, origin, "linux/amd64")
//	file.Set(id, origin, "linux/amd64", asset)
//	err = lock.Write("core.lock.json", file)
//
// The file is meant to be committed: it is JSON, sorted, one member a line, and the
// same locks always give the same bytes. Decoding is strict; what is unknown,
// there twice or malformed is an error that names the file and the member, never
// something skipped. An entry holds for one origin, which is what the spec says
// of its source: where a spec is changed, what was locked before is not used.
//
// # Concurrency
//
// A [File] belongs to one goroutine. Write replaces the file at once; who reads,
// changes and writes holds a lock of his own.
//
// # Testing
//
// FuzzDecode: what is decoded is encoded to something that decodes to the same.
package lock

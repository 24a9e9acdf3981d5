// Package reach finds out whether file systems answer before a fork depends on it.
//
// A forked child enters its directory and opens its program while its parent waits for
// it, on a thread that Go's runtime cannot stop. Where a file system does not answer, as
// one of a network may not, the whole parent stands still from its next garbage
// collection on: no timer, no signal, no request. An ordinary call that waits holds up
// its own goroutine.
//
// # Usage
//
//	var files reach.Files
//	err := files.Answer(ctx, dir, program) // then fork
//
// What stops to answer between the two, and an interpreter that a program names, are not
// found out.
//
// # Concurrency
//
// A Files may be used by several goroutines. What does not answer is asked once for all
// of them, by a goroutine and its thread that stay until it does.
//
// # Testing
//
// A lease on a file, see fcntl(2), makes everybody wait who opens it.
package reach

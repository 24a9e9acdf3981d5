// Package fetch downloads over HTTP: it goes on where it was interrupted, tries
// again what may work later, and hands out nothing that has not been verified.
//
// # Usage
//
//	c := fetch.New(fetch.Options{Mirrors: mirrors, Offline: offline})
//	defer c.Close()
//	sum, err := c.Download(ctx, fetch.Download{URL: url, Size: size, SHA256: hash}, file, progress)
//	body, header, err := c.Bytes(ctx, fetch.Get{URL: url, Max: 1 << 20})
//
// # What it promises
//
// A download that was cut off is gone on with by Range and If-Range; a server that
// ignores them, or has another file now, is read from the start. Not a byte more
// than the expected size is read. What does not have the expected hash is thrown
// away, and read once more from the start if part of it was from before.
//
// Connection errors, silence of more than [Options.Idle], 408, 425, 429 and 5xx are
// tried again, each time after twice the time, or after what Retry-After asks for.
// Attempts that brought bytes do not count against [Options.Attempts].
//
// A mirror replaces how a URL begins. Where there are mirrors for a URL they are
// tried in order, and the URL itself is never asked. A redirect from https to http
// is refused. Errors name URLs without their query and without a password.
//
// # Concurrency
//
// A Client may be used by several goroutines; a file belongs to one download.
//
// # Testing
//
// Tests run real servers on the loopback address; the time between attempts is
// the test's to pass.
//
// # Sources
//
// HTTP: RFC 9110, "Range Requests" and "Retry-After".
package fetch

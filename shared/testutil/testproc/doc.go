// Package testproc lets a test binary be other programs too, keeps what processes
// and goroutines write, and makes files that do not answer ([TakeLease]).
//
// # Usage
//
//	func TestMain(m *testing.M) {
//		testproc.Main(testproc.Programs{"holder": hold})
//		goleak.VerifyTestMain(m)
//	}
//
//	var out testproc.Buffer
//	cmd := testproc.Command(t, "holder", "127.0.0.1:0")
//	cmd.Stdout = &out
//	out.Await(t, "listening")
//
// # Concurrency
//
// A [Buffer] may be used by several goroutines.
//
// # Testing
//
// The package is for tests only.
package testproc
